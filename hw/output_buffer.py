"""Output buffer: drained blocks wait here, packed into stream words, until the collector fetches them."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, View
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from hw.shapes import JOB_WIDTH, ItemKind, bundle, closed_shape, item_shape, offer_shape, part_shape
from spec.arch import ArchConfig

__all__ = ["OutputBuffer"]


class OutputBuffer(wiring.Component):
    """Two halves of one block each: one fills at L psums per cycle while the other is read.

    Latency ``LATENCY`` cycles from ``request`` to ``data``, one request per cycle. A complete block is
    announced ``READY_LATENCY`` cycles after its last psums.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    index : In
        Number of the cluster.
    psums, psums_valid : In
        From the drain chain: L at a time, in the order group row, token, lane. Sign-extended to
        ``output_width`` here.
    describe, closed : In
        Pulse: a drain starts, of this block.
    room : Out(1)
        A half is free for one more drain.
    ready, ready_job : Out
        Pulse: a block is complete; number of its job.
    request : In(item_shape(arch))
        BLOCK_HEADER answers with an offer, BLOCK_DATA with a word, BLOCK_TRAILER frees the half.
    data : Out(stream_width)
        Answer, or 0 when not asked.
    """

    LATENCY = BlockMemory.LATENCY + 1
    READY_LATENCY = 2

    index: Signal
    psums: Signal
    psums_valid: Signal
    describe: Signal
    closed: View
    room: Signal
    ready: Signal
    ready_job: Signal
    request: View
    data: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "index": In(item_shape(arch)["cluster"].shape),
                "psums": In(arch.lanes * arch.psum_width),
                "psums_valid": In(1),
                "describe": In(1),
                "closed": In(closed_shape(arch)),
                "room": Out(1),
                "ready": Out(1),
                "ready_job": Out(JOB_WIDTH),
                "request": In(item_shape(arch)),
                "data": Out(arch.stream_width),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of both halves; a word is a stream word, or the L psums of a cycle if longer."""
        chunk = arch.lanes * arch.output_width
        width = max(arch.stream_width, chunk)
        words = -(-arch.groups * arch.tokens // (width // chunk))
        return MemorySize(width, 2 << (words - 1).bit_length())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kind, wait = self.request.kind, BlockMemory.LATENCY
        offers = self._describe(m)
        read_half, mine, free = Signal(), Signal(), Signal()
        used = Signal(range(3))
        m.d.comb += [
            mine.eq(self.request.cluster == self.index),
            free.eq(mine & (kind == ItemKind.BLOCK_TRAILER)),
            self.room.eq(used != 2),
        ]
        m.d.sync += used.eq(used + self.describe - free)
        with m.If(free):
            m.d.sync += read_half.eq(~read_half)
        words = self._read(m, self._fill(m), read_half)

        offer = delay(m, offers[read_half], wait, "offer")
        is_offer = delay(m, mine & (kind == ItemKind.BLOCK_HEADER), wait, "is_offer", reset_less=False)
        is_word = delay(m, mine & (kind == ItemKind.BLOCK_DATA), wait, "is_word", reset_less=False)
        # Two registers with a clear instead of gates; their OR is taken where the answer joins the chain.
        word, told = (Signal(self.arch.stream_width, name=name, reset_less=True) for name in ("word", "told"))
        m.d.sync += [word.eq(Mux(is_word, words, 0)), told.eq(Mux(is_offer, offer, 0))]
        m.d.comb += self.data.eq(word | told)
        return m

    def _describe(self, m: Module) -> View:
        """Number the job's blocks and keep one offer per half."""
        offers = bundle(ArrayLayout(offer_shape(self.arch), 2), "offers")
        jobs = bundle(ArrayLayout(JOB_WIDTH, 2), "jobs")
        sequence = Signal(offer_shape(self.arch)["sequence"].shape)
        half, ready_half = Signal(), Signal()
        closed = self.closed
        with m.If(self.describe):
            m.d.sync += [offers[half].sequence.eq(sequence)]
            for field in part_shape(self.arch):
                m.d.sync += offers[half][field].eq(closed[field])
            m.d.sync += [
                jobs[half].eq(closed.job),
                sequence.eq(Mux(closed.last, 0, sequence + 1)),
                half.eq(~half),
            ]
        m.d.comb += self.ready_job.eq(jobs[ready_half])
        with m.If(self.ready):
            m.d.sync += ready_half.eq(~ready_half)
        return offers

    def _fill(self, m: Module) -> BlockMemory:
        """Pack psums into words of memory, each one stream word, or the L psums of a cycle if longer."""
        outputs = self._extend()
        chunk = len(outputs)
        m.submodules.storage = storage = BlockMemory(*self.memory(self.arch))
        chunks, per_word = self.arch.groups * self.arch.tokens, storage.width // chunk
        words = -(-chunks // per_word)
        address_bits = (words - 1).bit_length()
        place, number, count = (
            Signal(range(max(values, 2)), name=name)
            for name, values in (("place", per_word), ("number", words), ("count", chunks))
        )
        half, full, complete = Signal(), Signal(), Signal()
        word = Signal(storage.width, reset_less=True)
        m.d.comb += [
            complete.eq(count == chunks - 1),
            # A register more: block RAMs lie far apart, and nothing reads a word so early.
            storage.write_enable.eq(delay(m, full, 1, "write", reset_less=False)),
            storage.write_address.eq(delay(m, Cat(number[:address_bits], half), 1, "write_address")),
            storage.write_data.eq(delay(m, word, 1, "write_data")),
        ]
        # Where a cycle's psums fill a word it need not be held: no enable, which would go to all its bits.
        with m.If(self.psums_valid | (per_word == 1)):
            m.d.sync += word.word_select(place, chunk).eq(outputs)
        m.d.sync += [full.eq(0), self.ready.eq(0)]
        with m.If(self.psums_valid):
            m.d.sync += [
                place.eq(Mux(complete | (place == per_word - 1), 0, place + 1)),
                count.eq(Mux(complete, 0, count + 1)),
                full.eq(complete | (place == per_word - 1)),
            ]
        with m.If(full):
            m.d.sync += number.eq(number + 1)
            with m.If(number == words - 1):
                m.d.sync += [number.eq(0), half.eq(~half), self.ready.eq(1)]
        return storage

    def _extend(self) -> Value:
        """The L psums as they travel on the output stream."""
        arch = self.arch
        psums = (self.psums.word_select(lane, arch.psum_width) for lane in range(arch.lanes))
        return Cat(Cat(psum, psum[-1].replicate(arch.output_width - arch.psum_width)) for psum in psums)

    def _read(self, m: Module, storage: BlockMemory, read_half: Signal) -> Value:
        """Return the stream word that ``request`` addresses, as late as the memory answers."""
        address, width = self.request.address, self.arch.stream_width
        address_bits, part_bits = len(storage.read_address) - 1, (storage.width // width).bit_length() - 1
        m.d.comb += storage.read_address.eq(Cat(address[part_bits : part_bits + address_bits], read_half))
        part = delay(m, address[:part_bits], BlockMemory.LATENCY, "part") if part_bits else 0
        return storage.read_data.word_select(part, width)
