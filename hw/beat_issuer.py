"""Beat issuer: vectors to beats, one per cycle, into alternating psum banks."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import beat_shape, bundle, closed_shape, vector_shape
from spec.arch import ArchConfig

__all__ = ["BeatIssuer"]


class BeatIssuer(wiring.Component):
    """Walk the live groups of each vector, lowest first, one beat per cycle without a gap between vectors.

    Latency 2 cycles from a vector to its first beat. A vector without live groups takes one cycle. Blocks
    alternate between the two psum banks; a block does not start before its bank is drained. A steal from
    the drain takes the cycle; the beat waits.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    horizontal : In(1)
    i : In(stream.Signature(vector_shape(arch)))
    steal, steal_row, steal_bank : In
        Read a psum row instead of multiplying.
    release : In(1)
        With the last steal of ``steal_bank``: the bank is free again.
    beat : Out(beat_shape(arch))
        Registered, as are the other outputs except ``i.ready``.
    closed : Out(stream.Signature(closed_shape(arch)))
        A block got its last beat. The receiver has room for both banks; ``ready`` is not looked at.
    job_done : Out(1)
        Pulse: the job needs its activations and weights no more.
    """

    horizontal: Signal
    i: stream.Interface
    steal: Signal
    steal_row: Signal
    steal_bank: Signal
    release: Signal
    beat: data.View
    closed: stream.Interface
    job_done: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "horizontal": In(1),
                "i": In(stream.Signature(vector_shape(arch))),
                "steal": In(1),
                "steal_row": In(beat_shape(arch)["row"].shape),
                "steal_bank": In(1),
                "release": In(1),
                "beat": Out(beat_shape(arch)),
                "closed": Out(stream.Signature(closed_shape(arch))),
                "job_done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        current = bundle(vector_shape(self.arch), "current", reset_less=True)
        active, bank = Signal(), Signal()
        rest = Signal(self.arch.groups)
        finishing = Signal()
        m.d.comb += [
            # Clears the lowest set bit.
            rest.eq(current.live & (current.live - 1)),
            finishing.eq(active & ~self.steal & (rest == 0)),
        ]
        self._take(m, current, active, bank, rest, finishing)
        closing = Signal()
        m.d.comb += closing.eq(finishing & current.end)
        m.d.sync += [
            self.closed.valid.eq(closing),
            self.closed.payload.block.eq(current.block),
            self.closed.payload.job.eq(current.job),
            self.closed.payload.last.eq(current.last),
            self.job_done.eq(finishing & current.last),
        ]
        row, lane, lanes = self._place(m, current)
        self._emit(m, current, active, bank, row, lane, lanes)
        return m

    def _take(
        self,
        m: Module,
        current: data.View,
        active: Signal,
        bank: Signal,
        rest: Signal,
        finishing: Signal,
    ) -> None:
        """Move on to the next vector, unless it opens a block whose bank is not drained yet."""
        busy = Signal(2)
        next_bank, opens = Signal(), Signal(init=1)
        open_slot, blocked, take = Signal(), Signal(), Signal()
        m.d.comb += [
            open_slot.eq(~active | finishing),
            blocked.eq(opens & busy.bit_select(next_bank, 1)),
            self.i.ready.eq(open_slot & ~blocked & ~self.steal),
            take.eq(self.i.ready & self.i.valid),
        ]
        with m.If(take):
            m.d.sync += [
                current.eq(self.i.payload),
                bank.eq(next_bank),
                opens.eq(self.i.payload.end),
                next_bank.eq(next_bank ^ self.i.payload.end),
            ]
        with m.Elif(active & ~self.steal):
            m.d.sync += current.live.eq(rest)
        with m.If(open_slot & ~self.steal):
            m.d.sync += active.eq(take)
        with m.If(self.release):
            m.d.sync += busy.bit_select(self.steal_bank, 1).eq(0)
        with m.If(finishing & current.end):
            m.d.sync += busy.bit_select(bank, 1).eq(1)

    def _place(self, m: Module, current: data.View) -> tuple[Value, Value, Value]:
        """Psum row, activation lane and psum lanes of the current beat."""
        arch = self.arch
        lane_bits, group_bits = arch.lanes.bit_length() - 1, arch.groups.bit_length() - 1
        row, lane, lanes = Signal(self.beat.row.shape()), Signal(self.beat.lane.shape()), Signal(arch.lanes)
        low = current.position[:lane_bits]
        middle = current.position[lane_bits : lane_bits + group_bits]
        high = current.position[lane_bits + group_bits :]
        lowest = Signal(arch.groups)
        group = Signal(max(group_bits, 1))
        one_lane = (1 << low)[: arch.lanes] if lane_bits else 1
        # Position of a one-hot bit, bit by bit of the result.
        bits = (Cat(lowest[n] for n in range(arch.groups) if n >> bit & 1).any() for bit in range(group_bits))
        # With one group per segment there is nothing to choose; an empty choice is no legal Verilog.
        inner = Mux(self.horizontal, group[:group_bits], middle) if group_bits else Const(0, 0)
        word = Signal(len(self.beat.activation.word))
        m.d.comb += [
            lowest.eq(current.live & -current.live),
            group.eq(Cat(bits)),
            lane.eq(low),
            row.eq(Mux(self.horizontal, middle, group)),
            lanes.eq(Mux(self.horizontal, one_lane, (1 << arch.lanes) - 1)),
            word.eq(Cat(inner, high)),
        ]
        m.d.sync += [
            self.beat.activation.word.eq(word),
            self.beat.activation.bank.eq(current.activation_bank),
        ]
        self._address(m, current, lowest)
        return row, lane, lanes

    def _address(self, m: Module, current: data.View, lowest: Signal) -> None:
        """Values lie beat after beat, those of skipped groups too: count the vector's groups before this."""
        groups = self.arch.groups
        rank, below = Signal(range(groups + 1)), Signal(groups)
        m.d.comb += [
            below.eq(current.bitmap & (lowest - 1)),
            rank.eq(sum(below[n] for n in range(groups))),
        ]
        m.d.sync += [
            self.beat.value.index.eq(current.values + rank),
            self.beat.value.bank.eq(current.weight_bank),
        ]

    def _emit(
        self,
        m: Module,
        current: data.View,
        active: Signal,
        bank: Signal,
        row: Value,
        lane: Value,
        lanes: Value,
    ) -> None:
        """Register the beat and remember which psums have been started."""
        arch = self.arch
        touched = bundle(data.ArrayLayout(data.ArrayLayout(arch.lanes, arch.groups), 2), "touched")
        valid = Signal()
        target_row, target_bank = Signal(self.beat.row.shape()), Signal()
        started = Signal(arch.lanes)
        m.d.comb += [
            valid.eq(active & ~self.steal & current.live.any()),
            target_row.eq(Mux(self.steal, self.steal_row, row)),
            target_bank.eq(Mux(self.steal, self.steal_bank, bank)),
            started.eq(touched[target_bank][target_row]),
        ]
        m.d.sync += [
            self.beat.valid.eq(valid),
            self.beat.steal.eq(self.steal),
            self.beat.lane.eq(lane),
            self.beat.row.eq(target_row),
            self.beat.psum_bank.eq(target_bank),
            self.beat.lanes.eq(Mux(valid, lanes, 0)),
            self.beat.first.eq(~started),
        ]
        with m.If(valid):
            m.d.sync += touched[target_bank][target_row].eq(started | lanes)
        with m.Elif(self.release):
            m.d.sync += touched[self.steal_bank].eq(0)
