"""A cluster: one compressed stream multiplied by L x T PEs."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.enum import EnumView
from amaranth.lib.wiring import In, Out

from hw.beat_issuer import BeatIssuer
from hw.column import Column
from hw.decompressor import Decompressor
from hw.drain import Drain
from hw.drain_tree import DrainTree
from hw.instance import place
from hw.memory import MemorySize
from hw.output_buffer import OutputBuffer
from hw.part_memory import PartMemory
from hw.pipeline import delay, own_register
from hw.queue import Queue
from hw.shapes import (
    JOB_WIDTH,
    LoadKind,
    beat_shape,
    bundle,
    closed_shape,
    column_shape,
    item_shape,
    load_shape,
)
from hw.zero_skip import ZeroSkip
from spec.arch import ArchConfig
from spec.counters import Cause
from spec.planes import Plane

__all__ = ["Cluster"]


class Cluster(wiring.Component):
    """Decompressor, zero-skip controller, beat issuer, T token columns, drain and output buffer.

    Load bus and collect chain pass through a register here and go on to the next cluster.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    index : In
        Number of the cluster, a constant.
    horizontal : In(1)
        Direction of the layer; changes only while the cluster is idle.
    load, load_next : In, Out(load_shape(arch))
        ``load_next`` is ``load`` one cycle later.
    request, request_next : In, Out(item_shape(arch))
        ``request_next`` is ``request`` one cycle later.
    data, data_next : In, Out(stream_width)
        Answers of the clusters so far; that to ``request`` is expected ``DATA_LAG`` cycles after it, and
        leaves one cycle later.
    job_done : Out(1)
        Pulse: a job needs its activations and weights no more.
    ready, ready_job : Out
        Pulse: a block can be fetched; number of its job.
    activity : Out(Cause)
        What the cycle before went to.
    skipped : Out
        Beats spared in this cycle.
    """

    MODULE = "mixvec_cluster"
    """Name of the Verilog module that the accelerator places."""
    DATA_LAG = OutputBuffer.LATENCY + 1
    CLOSED_DEPTH = 4
    """Places for closed blocks that wait for the drain; there are at most two, one per psum bank."""

    index: Signal
    horizontal: Signal
    load: View
    load_next: View
    request: View
    request_next: View
    data: Signal
    data_next: Signal
    job_done: Signal
    ready: Signal
    ready_job: Signal
    activity: EnumView
    skipped: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(self.members(arch))

    @staticmethod
    def members(arch: ArchConfig) -> dict[str, wiring.Member]:
        """Ports, for whoever places the module."""
        return {
            "index": In(item_shape(arch)["cluster"].shape),
            "horizontal": In(1),
            "load": In(load_shape(arch)),
            "load_next": Out(load_shape(arch)),
            "request": In(item_shape(arch)),
            "request_next": Out(item_shape(arch)),
            "data": In(arch.stream_width),
            "data_next": Out(arch.stream_width),
            "job_done": Out(1),
            "ready": Out(1),
            "ready_job": Out(JOB_WIDTH),
            "activity": Out(Cause),
            "skipped": Out(range(arch.groups + 1)),
        }

    @staticmethod
    def drain_latency(arch: ArchConfig) -> int:
        """Cycles from a steal to the first column's psums at the output buffer."""
        captured = BeatIssuer.STEAL_LATENCY + Column.psum_cycle(arch) + Column.CAPTURE_LATENCY
        return captured + DrainTree.latency(arch)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        load = self._load_here(m, platform)
        m.d.comb += self.load_next.eq(load)
        mine = self._own_load(m, load)
        # It comes from far, and changes long before anything depends on it.
        direction = own_register(m, self.horizontal, "direction", platform)

        m.submodules.decompressor = decompressor = Decompressor(arch)
        m.submodules.zero_skip = zero_skip = ZeroSkip(arch)
        m.submodules.issuer = issuer = BeatIssuer(arch)
        m.submodules.closed_queue = closed = Queue(closed_shape(arch), self.CLOSED_DEPTH)
        m.submodules.drain = drain = Drain(arch)
        wiring.connect(m, decompressor.o, zero_skip.i)
        wiring.connect(m, zero_skip.o, issuer.i)
        wiring.connect(m, issuer.closed, closed.i)
        wiring.connect(m, closed.o, drain.i)
        m.d.comb += [
            decompressor.load.eq(mine),
            zero_skip.load.eq(load),
            zero_skip.horizontal.eq(direction),
            issuer.horizontal.eq(direction),
            issuer.steal.eq(drain.steal),
            issuer.steal_row.eq(drain.steal_row),
            issuer.steal_bank.eq(drain.steal_bank),
            issuer.release.eq(drain.release),
            self.job_done.eq(issuer.job_done),
            issuer.held.eq(drain.held),
            issuer.dropping.eq(zero_skip.dropping),
            self.activity.eq(issuer.activity),
            self.skipped.eq(zero_skip.skipped),
        ]
        weights = self._values(m, mine, issuer.beat)
        psum, psum_valid = self._columns(m, load, issuer.beat, weights, direction, drain)
        self._collect(m, closed, drain, psum, psum_valid)
        return m

    def _load_here(self, m: Module, platform: object) -> View:
        """Load bus one cycle later, in registers that neither the clusters nor the columns share."""
        layout = load_shape(self.arch)
        # The kind alone has a reset, without which a word on its way would be written after one.
        registers = [
            delay(m, self.load.kind, 1, "load_kind", reset_less=False)
            if field == "kind"
            else own_register(m, self.load[field], f"load_{field}", platform)
            for field, _ in layout
        ]
        return View(layout, Cat(registers))

    def _own_load(self, m: Module, load: View) -> View:
        """Load bus with weights for other clusters blanked out."""
        mine = bundle(load_shape(self.arch), "load_mine")
        kinds = (LoadKind.BLOCK, LoadKind.RECORD, LoadKind.VALUE)
        addressed = Cat(load.kind == kind for kind in kinds).any()
        m.d.comb += mine.eq(load)
        with m.If(addressed & (load.cluster != self.index)):
            m.d.comb += mine.kind.eq(LoadKind.IDLE)
        return mine

    def _values(self, m: Module, load: View, beat: View) -> Value:
        """Value memories: the beat's weights, in the cycle in which the first column expects them."""
        arch = self.arch
        planes = [(plane.width, self._plane(m, load, beat, plane)) for plane in arch.planes]
        lanes = [Cat(bits.word_select(lane, width) for width, bits in planes) for lane in range(arch.lanes)]
        # The read address enters the first column's register one cycle after the beat.
        return delay(m, Cat(lanes), Column.WEIGHT_CYCLE - PartMemory.LATENCY, "weights")

    @staticmethod
    def value_memory(arch: ArchConfig, plane: Plane) -> MemorySize:
        """Size of both value banks of one plane."""
        return MemorySize(arch.stream_width, 2 * (arch.value_depth // arch.beats_per_word(plane)))

    def _plane(self, m: Module, load: View, beat: View, plane: Plane) -> Value:
        """Memory of one plane: its bits of the beat's weights, ``PartMemory.LATENCY`` cycles later."""
        arch, index, name = self.arch, beat.value.index, f"plane_{plane.offset}"
        per_word = arch.beats_per_word(plane)
        depth = arch.value_depth // per_word
        size, part = self.value_memory(arch, plane), arch.lanes * plane.width
        m.submodules[f"{name}_values"] = values = PartMemory(*size, part)
        address_bits, place_bits = (depth - 1).bit_length(), per_word.bit_length() - 1
        part_bits = plane.words.bit_length() - 1
        mine = load.kind == LoadKind.VALUE
        if arch.words_per_stripe > 1:
            mine &= load.part >> part_bits == plane.first >> part_bits
        address = Cat(load.part[:part_bits], load.address)[:address_bits]
        m.d.comb += [
            # A register more: the block RAMs lie far apart, and nothing reads a value so early.
            values.write_enable.eq(delay(m, mine, 1, f"{name}_write", reset_less=False)),
            values.write_address.eq(delay(m, Cat(address, load.bank), 1, f"{name}_address")),
            values.write_data.eq(delay(m, load.data, 1, f"{name}_data")),
            values.read_address.eq(Cat(index[: place_bits + address_bits], beat.value.bank)),
        ]
        return values.read_data

    def _columns(
        self, m: Module, load: View, beat: View, weights: Value, direction: Value, drain: Drain
    ) -> tuple[Value, Value]:
        """Chain the columns; return the psums that leave the drain trees, and which are valid."""
        arch = self.arch
        head = bundle(column_shape(arch), "head")
        off = Cat((beat.lane != lane) & ~direction for lane in range(arch.lanes))
        m.d.comb += [
            head.write.enable.eq(load.kind == LoadKind.ACTIVATION),
            head.write.part.eq(load.part),
            head.write.word.eq(load.address),
            head.write.bank.eq(load.bank),
            head.write.data.eq(load.data),
            head.read.eq(beat.activation),
            head.off.eq(delay(m, off, Column.LANE_CYCLE, "off")),
            head.horizontal.eq(direction),
            Value.cast(head.weights).eq(weights),
        ]
        self._psum_control(m, head, beat)
        trees = [DrainTree(arch) for _ in range(arch.drain_trees)]
        for number, tree in enumerate(trees):
            m.submodules[f"drain_tree_{number}"] = tree
        chain: ValueLike = head
        for token in range(arch.tokens):
            name = f"column_{token}"
            m.submodules[name], column = place(Column.MODULE, name, Column.members(arch))
            m.d.comb += [
                column.index.eq(token),
                column.chain.eq(chain),
                trees[token // arch.row_cycles].captured[token % arch.row_cycles].eq(column.captured),
            ]
            chain = column.chain_next
        # With reset: a stray pulse after power-up would fill the output buffer.
        valid = [delay(m, drain.valid, self.drain_latency(arch), "psum_valid_0", reset_less=False)]
        for number in range(1, len(trees)):
            # A beat, and a steal, takes a cycle from column to column.
            valid.append(delay(m, valid[-1], arch.row_cycles, f"psum_valid_{number}", reset_less=False))
        return Cat(tree.o for tree in trees), Cat(valid)

    def _psum_control(self, m: Module, head: View, beat: View) -> None:
        """Delay psum control to where products arrive; find rows written by the beat before."""
        arch = self.arch
        before = bundle(beat_shape(arch), "before", reset_less=True)
        m.d.sync += before.eq(beat)
        same = (before.row == beat.row) & (before.psum_bank == beat.psum_bank)
        forward = Mux(same, before.lanes, 0)
        control = bundle(column_shape(arch)["psums"].shape, "control", reset_less=True)
        row_bits = (arch.groups - 1).bit_length()
        m.d.sync += [
            control.row.eq(Cat(beat.row[:row_bits], beat.psum_bank)),
            control.write.eq(beat.lanes),
            # Here, once for all columns.
            control.fresh.eq(beat.first | forward),
            control.forward.eq(forward),
            control.steal.eq(beat.steal),
        ]
        aligned = delay(m, Value.cast(control), Column.psum_cycle(arch) - 1, "psum_control")
        m.d.comb += Value.cast(head.psums).eq(aligned)

    def _collect(self, m: Module, closed: Queue, drain: Drain, psum: Value, psum_valid: Value) -> None:
        """Output buffer between the drain and the collect chain."""
        arch = self.arch
        m.submodules.outputs = outputs = OutputBuffer(arch)
        request = bundle(item_shape(arch), "request_here")
        answer = Signal(arch.stream_width, reset_less=True)
        m.d.sync += [request.eq(self.request), answer.eq(self.data | outputs.data)]
        m.d.comb += [
            outputs.index.eq(self.index),
            Value.cast(outputs.psums).eq(psum),
            outputs.psums_valid.eq(psum_valid),
            # A cycle late, which no drain is short enough to notice.
            outputs.describe.eq(delay(m, drain.i.valid & drain.i.ready, 1, "describe", reset_less=False)),
            Value.cast(outputs.closed).eq(delay(m, Value.cast(closed.o.payload), 1, "closed_block")),
            outputs.request.eq(request),
            drain.room.eq(outputs.room),
            self.request_next.eq(request),
            self.data_next.eq(answer),
            self.ready.eq(outputs.ready),
            self.ready_job.eq(outputs.ready_job),
        ]
