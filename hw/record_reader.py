"""Records out of memory: stored without gaps, delivered one per cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory
from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import record_shape
from spec.arch import ArchConfig

__all__ = ["RecordReader"]


class RecordReader(wiring.Component):
    """Hold both banks of packed records and stream one bank's records from its start.

    Words of W bits are read as chunks, the smallest power of two that holds a record, through a short
    queue into an aligner; so records need no padding in memory and none in the stream. One record per
    cycle once the first is there, ``START_LATENCY`` cycles after ``start``.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``record_width`` (bits), ``record_depth`` (words), ``stream_width`` (bits).

    Members
    -------
    write_enable, write_bank, write_address, write_data : In
    start : In(1)
        Drop what is left and begin at ``bank``, of which ``words`` are valid.
    o : Out(stream.Signature(record_shape(arch)))
    exhausted : Out(1)
        There is no further record.
    """

    START_LATENCY = 7
    QUEUE_DEPTH = 8

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        self.chunk_width = 1 << (arch.record_width - 1).bit_length()
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.chunks = chunks = Queue(self.chunk_width, self.QUEUE_DEPTH)
        m.d.comb += chunks.clear.eq(self.start)
        fetching = self._fetch(m, chunks)
        self._align(m, chunks, fetching)
        return m

    def _fetch(self, m: Module, chunks: Queue) -> Signal:
        """Read chunk after chunk while the queue has room; return whether chunks are still to come."""
        arch = self.arch
        storage = m.submodules.storage = BlockMemory(arch.stream_width, 2 * arch.record_depth)
        m.d.comb += [
            storage.write_enable.eq(self.write_enable),
            storage.write_address.eq(Cat(self.write_address, self.write_bank)),
            storage.write_data.eq(self.write_data),
        ]
        per_word = arch.stream_width // self.chunk_width
        chunk_bits = (per_word - 1).bit_length()
        left = Signal(range(arch.record_depth * per_word + 1))
        address = Signal(chunk_bits + len(self.write_address) + 1, reset_less=True)
        credits = Signal(range(self.QUEUE_DEPTH + 1), init=self.QUEUE_DEPTH)
        issue, pop = Signal(), Signal()
        stages = [Signal(name=f"fetch_{n}") for n in range(3)]
        chosen = Signal(self.chunk_width, reset_less=True)
        number = delay(m, address[:chunk_bits], BlockMemory.LATENCY, "chunk")
        m.d.comb += [
            issue.eq((left != 0) & (credits != 0)),
            pop.eq(chunks.o.valid & chunks.o.ready),
            storage.read_address.eq(address[chunk_bits:]),
            chunks.i.valid.eq(stages[-1]),
            chunks.i.payload.eq(chosen),
        ]
        m.d.sync += [
            chosen.eq(storage.read_data.word_select(number, self.chunk_width)),
            stages[0].eq(issue),
            stages[1].eq(stages[0]),
            stages[2].eq(stages[1]),
            credits.eq(credits - issue + pop),
        ]
        with m.If(issue):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        with m.If(self.start):
            m.d.sync += [
                address.eq(Cat(Const(0, len(address) - 1), self.bank)),
                left.eq(self.words << chunk_bits),
                credits.eq(self.QUEUE_DEPTH),
                *(stage.eq(0) for stage in stages),
            ]
        fetching = Signal()
        m.d.comb += fetching.eq((left != 0) | (credits != self.QUEUE_DEPTH))
        return fetching

    def _align(self, m: Module, chunks: Queue, fetching: Signal) -> None:
        """Cut records off the low end of a buffer and append chunks at its high end."""
        record, chunk = self.arch.record_width, self.chunk_width
        buffer = Signal(2 * chunk, reset_less=True)
        count, after = Signal(range(2 * chunk + 1)), Signal(range(2 * chunk + 1))
        shifted = Signal(2 * chunk)
        take, ready = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(count >= record),
            self.o.payload.eq(buffer[:record]),
            take.eq(self.o.valid & self.o.ready),
            after.eq(Mux(take, count - record, count)),
            shifted.eq(Mux(take, buffer >> record, buffer)),
            ready.eq(after <= chunk),
            chunks.o.ready.eq(ready),
            self.exhausted.eq(~fetching & (count < record)),
        ]
        with m.If(ready & chunks.o.valid):
            m.d.sync += [buffer.eq(shifted | (chunks.o.payload << after)[: 2 * chunk]), count.eq(after + chunk)]
        with m.Else():
            m.d.sync += [buffer.eq(shifted), count.eq(after)]
        with m.If(self.start):
            m.d.sync += [count.eq(0), buffer.eq(0)]
