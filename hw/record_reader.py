"""Records out of memory: stored without gaps, delivered one per cycle."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import MemorySize
from hw.part_memory import PartMemory
from hw.queue import Queue
from hw.register_slice import RegisterSlice
from hw.shapes import record_shape
from spec.arch import ArchConfig

__all__ = ["RecordReader"]


class RecordReader(wiring.Component):
    """Hold both banks of packed records and stream one bank's records from its start.

    Words of W bits are read as chunks, the smallest power of two that holds a record, through a short
    queue into a window of two chunks; so records need no padding in memory and none in the stream. The first
    record is there ``START_LATENCY`` cycles after the last cycle of ``start``, then one per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``record_width`` (bits), ``record_depth`` (words), ``stream_width`` (bits).

    Members
    -------
    write_enable, write_bank, write_address, write_data : In
        A stream word of packed records.
    start : In(1)
        Drop what is left and begin anew.
    bank, words : In
        With ``start``: the bank to read, and how many of its words are valid.
    o : Out(stream.Signature(record_shape(arch)))
    exhausted : Out(1)
        There is no further record; rises at most ``EXHAUSTED_DELAY`` cycles after that is so.
    """

    START_LATENCY = 8
    EXHAUSTED_DELAY = 3
    QUEUE_DEPTH = 8

    write_enable: Signal
    write_bank: Signal
    write_address: Signal
    write_data: Signal
    start: Signal
    bank: Signal
    words: Signal
    o: stream.Interface
    exhausted: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        self.chunk_width: Final = 1 << (arch.record_width - 1).bit_length()
        super().__init__(
            {
                "write_enable": In(1),
                "write_bank": In(1),
                "write_address": In(max((arch.record_depth - 1).bit_length(), 1)),
                "write_data": In(arch.stream_width),
                "start": In(1),
                "bank": In(1),
                "words": In(range(arch.record_depth + 1)),
                "o": Out(stream.Signature(record_shape(arch))),
                "exhausted": Out(1),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of both banks of records."""
        return MemorySize(arch.stream_width, 2 * arch.record_depth)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        m.submodules.storage = storage = PartMemory(*self.memory(arch), self.chunk_width)
        m.submodules.chunk_queue = chunks = Queue(self.chunk_width, self.QUEUE_DEPTH)
        m.d.comb += [
            storage.write_enable.eq(self.write_enable),
            storage.write_address.eq(Cat(self.write_address, self.write_bank)),
            storage.write_data.eq(self.write_data),
            chunks.clear.eq(self.start),
        ]
        issue, address, fetching = self._issue(m, chunks)
        self._fetch(m, storage, chunks, issue, address)
        self._cut(m, chunks, fetching)
        return m

    def _issue(self, m: Module, chunks: Queue) -> tuple[Signal, Signal, Signal]:
        """Ask for chunk after chunk while the queue has room.

        Return whether a chunk is asked for, its address, and whether chunks are still to come.
        """
        per_word = self.arch.stream_width // self.chunk_width
        chunk_bits = (per_word - 1).bit_length()
        left = Signal(range(self.arch.record_depth * per_word + 1))
        address = Signal(chunk_bits + len(self.write_address) + 1, reset_less=True)
        credits, after = (Signal(range(self.QUEUE_DEPTH + 1), init=self.QUEUE_DEPTH) for _ in range(2))
        # Flags of the counts, which are too far from registers to decide in the same cycle.
        more, room, fetching = Signal(), Signal(init=1), Signal()
        issue, popped = Signal(), Signal()
        m.d.comb += [issue.eq(more & room), after.eq(credits - issue + popped)]
        m.d.sync += [
            popped.eq(chunks.o.valid & chunks.o.ready),
            credits.eq(after),
            room.eq(after != 0),
            fetching.eq(more | (credits != self.QUEUE_DEPTH)),
        ]
        with m.If(issue):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1), more.eq(left != 1)]
        with m.If(self.start):
            m.d.sync += [
                address.eq(Cat(Const(0, len(address) - 1), self.bank)),
                left.eq(self.words << chunk_bits),
                more.eq(self.words != 0),
                credits.eq(self.QUEUE_DEPTH),
                room.eq(1),
                popped.eq(0),
                fetching.eq(1),
            ]
        return issue, address, fetching

    def _fetch(self, m: Module, storage: PartMemory, chunks: Queue, issue: Signal, address: Signal) -> None:
        """Queue the chunks that are asked for."""
        stages = [Signal(name=f"fetch_{n}") for n in range(PartMemory.LATENCY)]
        m.d.comb += [
            storage.read_address.eq(address),
            chunks.i.valid.eq(stages[-1]),
            chunks.i.payload.eq(storage.read_data),
        ]
        m.d.sync += [stage.eq(before) for stage, before in zip(stages, [issue, *stages], strict=False)]
        # Chunks of the bank before may still be on their way.
        with m.If(self.start):
            m.d.sync += [stage.eq(0) for stage in stages]

    def _cut(self, m: Module, chunks: Queue, fetching: Signal) -> None:
        """Cut the record at ``offset`` out of the lower chunk and the one behind it."""
        record, chunk = self.arch.record_width, self.chunk_width
        lower, lower_valid = Signal(chunk, reset_less=True), Signal()
        offset = Signal(max((chunk - 1).bit_length(), 1))
        # Of the record at ``offset``: it needs no bit of the upper chunk, and no bit of the lower is left.
        fits, spends = Signal(init=1), Signal(init=record == chunk)
        found, take, shift = Signal(), Signal(), Signal()
        following = Signal(len(offset))
        # A record is cut before it is known whether the one before stays.
        m.submodules.records = records = RegisterSlice(record_shape(self.arch))
        wiring.connect(m, records.o, wiring.flipped(self.o))
        m.d.comb += [
            found.eq(lower_valid & (fits | chunks.o.valid)),
            take.eq(found & records.i.ready),
            shift.eq(~lower_valid | (take & spends)),
            following.eq((offset + record) % chunk),
            records.i.valid.eq(found),
            records.i.payload.eq((Cat(lower, chunks.o.payload) >> offset)[:record]),
            records.clear.eq(self.start),
            chunks.o.ready.eq(shift),
            self.exhausted.eq(~fetching & ~found & ~self.o.valid),
        ]
        with m.If(shift):
            m.d.sync += [lower.eq(chunks.o.payload), lower_valid.eq(chunks.o.valid)]
        with m.If(take):
            m.d.sync += [
                offset.eq(following),
                fits.eq(following + record <= chunk),
                spends.eq(following + record >= chunk),
            ]
        with m.If(self.start):
            m.d.sync += [lower_valid.eq(0), offset.eq(0), fits.eq(1), spends.eq(int(record == chunk))]
