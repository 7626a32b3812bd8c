"""Zero-skip controller: vectors whose activations are all zero never reach the array."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import LoadKind, bundle, load_shape, vector_shape
from spec.arch import ArchConfig

__all__ = ["ZeroSkip"]


class ZeroSkip(wiring.Component):
    """Clear the groups that meet only zero activations, drop vectors left empty, queue the rest.

    A bit per input says whether any token's activation is not zero; it is written while activations
    load. Vertical vectors have one input, so they stay or go as a whole; horizontal ones lose single
    groups. A dropped vector takes one cycle here however many beats it has, ahead of the queue, so it
    costs the array nothing while the queue holds work. Vectors that close a block or a job stay.

    Latency ``LATENCY`` cycles through an empty queue; one vector per cycle. ``i.ready`` is a credit: it
    says that the queue has a place for the vector that is sent in this cycle and comes in the next. It
    comes back ``CREDIT_LATENCY`` cycles after a vector was sent and dropped; a shorter queue cannot keep up
    with a vector per cycle.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    horizontal : In(1)
        Does not change while vectors are under way.
    load : In(load_shape(arch))
        ACTIVATION words.
    i, o : In, Out(stream.Signature(vector_shape(arch)))
        ``o.payload.live`` are the groups worth a beat.
    skipped : Out
        Beats saved in this cycle.
    dropping : Out(1)
        A vector that was dropped would come to ``o`` in this cycle, were the queue empty.
    """

    LATENCY = BlockMemory.LATENCY + 2 + Queue.LATENCY
    CREDIT_LATENCY = BlockMemory.LATENCY + 4

    horizontal: Signal
    load: data.View
    i: stream.Interface
    o: stream.Interface
    skipped: Signal
    dropping: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "horizontal": In(1),
                "load": In(load_shape(arch)),
                "i": In(stream.Signature(vector_shape(arch))),
                "o": Out(stream.Signature(vector_shape(arch))),
                "skipped": Out(range(arch.groups + 1)),
                "dropping": Out(1),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of the occupancy of both activation buffers, a segment a word."""
        return MemorySize(arch.segment, 2 * (arch.max_inputs // arch.segment))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        m.submodules.occupancy = occupancy = BlockMemory(*self.memory(arch))
        m.submodules.queue = queue = Queue(vector_shape(arch), arch.queue_depth)
        self._record_occupancy(m, occupancy)
        vector, arriving = self._look_up(m, occupancy)
        live = self._live_groups(m, vector, self._input(m), occupancy.read_data)

        # The vector waits a cycle for what is found out about its segment.
        waiting = bundle(vector_shape(arch), "waiting", reset_less=True)
        checked = bundle(vector_shape(arch), "checked", reset_less=True)
        waits, valid, keep = Signal(), Signal(), Signal()
        m.d.sync += [waiting.eq(vector), waits.eq(arriving)]
        m.d.sync += [checked.eq(waiting), checked.live.eq(live), valid.eq(waits)]
        m.d.comb += [
            keep.eq(checked.live.any() | checked.end | checked.last),
            queue.i.payload.eq(checked),
            queue.i.valid.eq(valid & keep),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        self._count(m, checked, valid)
        dropped = valid & ~keep
        self._credit(m, dropped)
        m.d.comb += self.dropping.eq(delay(m, dropped, Queue.LATENCY, "dropped", reset_less=False))
        return m

    def _look_up(self, m: Module, occupancy: BlockMemory) -> tuple[data.View, Value]:
        """Read the occupancy of a vector's segment; return the vector when it is there, and its valid."""
        low = self.arch.segment.bit_length() - 1
        arriving, wait = self.i.payload, BlockMemory.LATENCY
        m.d.comb += occupancy.read_address.eq(
            self._address(arriving.position[low:], arriving.activation_bank)
        )
        vector = bundle(vector_shape(self.arch), "vector")
        m.d.comb += vector.eq(delay(m, Value.cast(arriving), wait, "vector"))
        return vector, delay(m, self.i.valid, wait, "arriving", reset_less=False)

    def _input(self, m: Module) -> tuple[Value, Value]:
        """Return lane and group of a vertical vector's input, a bit each, when its segment is there.

        A horizontal one has no group.
        """
        arch, position = self.arch, self.i.payload.position
        lane_bits, group_bits = arch.lanes.bit_length() - 1, arch.groups.bit_length() - 1
        place = delay(m, position[: lane_bits + group_bits], BlockMemory.LATENCY - 1, "place")
        lane = Cat(place[:lane_bits] == n for n in range(arch.lanes))
        group = Cat((place[lane_bits:] == n) & ~self.horizontal for n in range(arch.groups))
        return delay(m, lane, 1, "lane"), delay(m, group, 1, "group")

    def _live_groups(
        self, m: Module, vector: data.View, place: tuple[Value, Value], segment: Value
    ) -> Signal:
        """Groups that meet an activation, of the ``vector`` of the cycle before.

        ``segment`` says which inputs of its segment have any; ``place`` is from ``_input``.
        """
        arch = self.arch
        groups = [segment.word_select(group, arch.lanes) for group in range(arch.groups)]
        lane, group = place
        inputs = Cat((its & lane).any() & here for its, here in zip(groups, group, strict=True))
        met = delay(m, Cat(its.any() & self.horizontal for its in groups), 1, "met")
        found = delay(m, inputs, 1, "inputs").any()
        live = Signal(arch.groups)
        m.d.comb += live.eq(delay(m, vector.bitmap, 1, "bitmap") & (met | found.replicate(arch.groups)))
        return live

    def _address(self, segment: Value, bank: Value) -> Value:
        """Occupancy address; with a single segment there is only the bank."""
        bits = (self.arch.max_inputs // self.arch.segment - 1).bit_length()
        return Cat(segment[:bits], bank)

    def _record_occupancy(self, m: Module, occupancy: BlockMemory) -> None:
        """Collect which inputs have a non-zero token, a segment of B inputs in one word."""
        arch, load = self.arch, self.load
        lanes, width = arch.lanes, arch.activation_width
        columns = [load.data.word_select(n, lanes * width) for n in range(arch.tokens_per_word)]
        found, writing = Signal(lanes), Signal()
        m.d.comb += writing.eq(load.kind == LoadKind.ACTIVATION)
        for lane in range(lanes):
            m.d.comb += found[lane].eq(Cat(column.word_select(lane, width) for column in columns).any())
        group_bits = arch.groups.bit_length() - 1
        # Three steps: zero detection of a wide word is a level of its own, and the memory may lie far away.
        here = delay(m, found, 1, "found")
        fresh = delay(m, (load.part == 0) & (load.address[:group_bits] == 0), 1, "fresh")
        its_group = Cat(load.address[:group_bits] == n for n in range(arch.groups))
        group = delay(m, its_group, 1, "its_group")
        enable = delay(m, writing, 1, "writing", reset_less=False)
        address = delay(m, self._address(load.address[group_bits:], load.bank), 2, "occupancy_address")
        seen = Signal(arch.segment, reset_less=True)
        with m.If(enable):
            m.d.sync += seen.eq(Mux(fresh, 0, seen) | Cat(here & bit.replicate(lanes) for bit in group))
        m.d.comb += [
            occupancy.write_enable.eq(delay(m, enable, 1, "write", reset_less=False)),
            occupancy.write_address.eq(address),
            occupancy.write_data.eq(seen),
        ]

    def _count(self, m: Module, checked: data.View, valid: Signal) -> None:
        """Report the beats that the array is spared."""
        spared = Signal(self.arch.groups)
        total = Signal(range(self.arch.groups + 1))
        m.d.comb += [
            spared.eq(checked.bitmap & ~checked.live),
            total.eq(sum(spared[n] for n in range(self.arch.groups))),
        ]
        m.d.sync += self.skipped.eq(Mux(valid, total, 0))

    def _credit(self, m: Module, dropped: Value) -> None:
        """One credit per queue entry: spent when a vector is sent, back when it is dropped or taken.

        ``i.valid`` comes a cycle after the decision to send, so the last but one credit may be spent already.
        """
        most = self.arch.queue_depth
        credits, after = Signal(range(most + 1), init=most), Signal(range(most + 1))
        returned = Signal(2)
        m.d.comb += after.eq(credits - self.i.valid + returned)
        m.d.sync += [
            credits.eq(after),
            returned.eq(dropped + (self.o.valid & self.o.ready)),
            self.i.ready.eq(after > 1),
        ]
