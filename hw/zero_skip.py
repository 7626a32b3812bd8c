"""Zero-skip controller: vectors whose activations are all zero never reach the array."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory
from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import LoadKind, load_shape, vector_shape
from spec.arch import ArchConfig

__all__ = ["ZeroSkip"]


class ZeroSkip(wiring.Component):
    """Clear the groups that meet only zero activations, drop vectors left empty, queue the rest.

    A bit per input says whether any token's activation is not zero; it is written while activations
    load. Vertical vectors have one input, so they stay or go as a whole; horizontal ones lose single
    groups. A dropped vector takes one cycle here however many beats it has, ahead of the queue, so it
    costs the array nothing while the queue holds work. Vectors that close a block or a job stay.

    ``i.ready`` is a credit: it says that the queue has a place for whatever is sent in this cycle.

    Members
    -------
    horizontal : In(1)
    load : In(load_shape(arch))
        ACTIVATION words.
    i, o : In, Out(stream.Signature(vector_shape(arch)))
    skipped : Out
        Beats saved in this cycle.
    """

    LOOKUP = BlockMemory.LATENCY + 1

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "horizontal": In(1),
                "load": In(load_shape(arch)),
                "i": In(stream.Signature(vector_shape(arch))),
                "o": Out(stream.Signature(vector_shape(arch))),
                "skipped": Out(range(arch.groups + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        segments = arch.max_inputs // arch.segment
        m.submodules.occupancy = occupancy = BlockMemory(arch.segment, 2 * segments)
        m.submodules.queue = queue = Queue(vector_shape(arch), arch.queue_depth)
        self._record_occupancy(m, occupancy)

        low = arch.segment.bit_length() - 1
        position = self.i.payload.position
        m.d.comb += occupancy.read_address.eq(self._address(position[low:], self.i.payload.activation_bank))
        arriving = delay(m, self.i.valid, BlockMemory.LATENCY, "arriving", reset_less=False)
        vector = Signal(vector_shape(arch))
        m.d.comb += vector.eq(delay(m, Value.cast(self.i.payload), BlockMemory.LATENCY, "vector"))

        live = Signal(arch.groups)
        input_live = Signal()
        offset = vector.position[:low] if low else 0
        m.d.comb += input_live.eq(occupancy.read_data.bit_select(offset, 1))
        for group in range(arch.groups):
            lanes = occupancy.read_data.word_select(group, arch.lanes)
            m.d.comb += live[group].eq(vector.bitmap[group] & Mux(self.horizontal, lanes.any(), input_live))
        checked = Signal(vector_shape(arch), reset_less=True)
        valid, keep = Signal(), Signal()
        m.d.sync += [checked.eq(vector), checked.live.eq(live), valid.eq(arriving)]
        m.d.comb += [
            keep.eq(checked.live.any() | checked.end | checked.last),
            queue.i.payload.eq(checked),
            queue.i.valid.eq(valid & keep),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        self._count(m, checked, valid)
        self._credit(m, dropped=valid & ~keep)
        return m

    def _address(self, segment: Value, bank: Value) -> Value:
        """Occupancy address; with a single segment there is only the bank."""
        bits = (self.arch.max_inputs // self.arch.segment - 1).bit_length()
        return Cat(segment[:bits], bank)

    def _record_occupancy(self, m: Module, occupancy: BlockMemory) -> None:
        """Collect which inputs have a non-zero token, a segment of B inputs in one word."""
        arch, load = self.arch, self.load
        lanes, width = arch.lanes, arch.activation_width
        columns = [load.data.word_select(n, lanes * width) for n in range(arch.tokens_per_word)]
        found = Signal(lanes)
        for lane in range(lanes):
            m.d.comb += found[lane].eq(Cat(column.word_select(lane, width) for column in columns).any())
        writing = Signal()
        m.d.comb += writing.eq(load.kind == LoadKind.ACTIVATION)
        group_bits = arch.groups.bit_length() - 1
        # Two steps: zero detection of a wide word is a level of its own.
        here = delay(m, found, 1, "found")
        fresh = delay(m, (load.part == 0) & (load.address[:group_bits] == 0), 1, "fresh")
        group = delay(m, load.address[:group_bits], 1, "group") if group_bits else 0
        enable = delay(m, writing, 1, "writing", reset_less=False)
        address = delay(m, self._address(load.address[group_bits:], load.bank), 1, "occupancy_address")
        seen, now = Signal(arch.segment, reset_less=True), Signal(arch.segment)
        m.d.comb += [
            now.eq(Mux(fresh, 0, seen) | (here << (group * lanes))[: arch.segment]),
            occupancy.write_enable.eq(enable),
            occupancy.write_address.eq(address),
            occupancy.write_data.eq(now),
        ]
        with m.If(enable):
            m.d.sync += seen.eq(now)

    def _count(self, m: Module, checked: Value, valid: Signal) -> None:
        """Report the beats that the array is spared."""
        spared = Signal(self.arch.groups)
        total = Signal(range(self.arch.groups + 1))
        m.d.comb += [
            spared.eq(checked.bitmap & ~checked.live),  # type: ignore[attr-defined]
            total.eq(sum(spared[n] for n in range(self.arch.groups))),
        ]
        m.d.sync += self.skipped.eq(Mux(valid, total, 0))

    def _credit(self, m: Module, dropped: Value) -> None:
        """One credit per queue entry: spent when a vector is sent, back when it is dropped or taken."""
        depth = self.arch.queue_depth
        credits = Signal(range(depth + 1), init=depth)
        spent, taken = Signal(), Signal()
        m.d.comb += [
            # ``i.valid`` comes a cycle after the decision to send, so that one is still uncounted.
            self.i.ready.eq(credits > self.i.valid),
            spent.eq(self.i.valid),
            taken.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += credits.eq(credits - spent + dropped + taken)
