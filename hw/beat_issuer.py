"""Beat issuer: vectors to beats, one per cycle, into alternating psum banks."""

from typing import Any, Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay, delay_fields
from hw.shapes import beat_shape, bundle, closed_shape, part_shape, vector_shape
from spec.arch import ArchConfig
from spec.counters import Cause

__all__ = ["BeatIssuer"]


class BeatIssuer(wiring.Component):
    """Walk the live groups of each vector, lowest first, one beat per cycle without a gap between vectors.

    Latency ``LATENCY`` cycles from a vector to its first beat, ``STEAL_LATENCY`` from a steal to its own. A
    vector without live groups takes one cycle. Blocks alternate between the two psum banks; a block does not
    start before its bank is drained. A steal from the drain takes the cycle; the beat waits.

    Which group comes next is decided in the first stage; what follows from it (row, lane, address, whether
    a psum is new) is found in three more, in which steals keep their place among the beats.

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
    held, dropping : In(1)
        The drain waits for room; a dropped vector would have come to ``i`` in this cycle.
    beat : Out(beat_shape(arch))
        Registered, as are the other outputs except ``i.ready``.
    closed : Out(stream.Signature(closed_shape(arch)))
        A block got its last beat, which comes ``STEAL_LATENCY`` - 1 cycles later, ahead of any steal that
        answers. The receiver has room for both banks; ``ready`` is not looked at.
    job_done : Out(1)
        Pulse: the job needs its activations and weights no more, once beats on their way are read.
    activity : Out(Cause)
        What the cycle before went to; ``NONE`` without a vector.
    """

    STEAL_LATENCY = 4
    LATENCY = STEAL_LATENCY + 1

    horizontal: Signal
    i: stream.Interface
    steal: Signal
    steal_row: Signal
    steal_bank: Signal
    release: Signal
    held: Signal
    dropping: Signal
    beat: data.View
    closed: stream.Interface
    job_done: Signal
    activity: enum.EnumView

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
                "held": In(1),
                "dropping": In(1),
                "beat": Out(beat_shape(arch)),
                "closed": Out(stream.Signature(closed_shape(arch))),
                "job_done": Out(1),
                "activity": Out(Cause),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        names = ("live", "end", "last")
        layout = data.StructLayout({name: vector_shape(self.arch)[name].shape for name in names})
        current = bundle(layout, "current", reset_less=True)
        active, bank = Signal(), Signal()
        # Whether the vector has a beat, and whether the one under way is its last.
        some, single = Signal(reset_less=True), Signal(reset_less=True)
        finishing = Signal()
        m.d.comb += finishing.eq(active & ~self.steal & single)
        take = self._take(m, current, active, bank, some, single, finishing)
        chosen = self._choose(m, current, bank, active & ~self.steal & some, take)
        closing = Signal()
        m.d.comb += closing.eq(finishing & current.end)
        m.d.sync += [
            self.closed.valid.eq(closing),
            self.closed.payload.last.eq(current.last),
            self.job_done.eq(finishing & current.last),
        ]
        m.d.comb += [self.closed.payload[name].eq(chosen[name]) for name in ("job", *part_shape(self.arch))]
        self._emit(m, self._place(m, chosen))
        return m

    def _take(
        self,
        m: Module,
        current: data.View,
        active: Signal,
        bank: Signal,
        some: Signal,
        single: Signal,
        finishing: Signal,
    ) -> Signal:
        """Move on to the next vector, unless it opens a block whose bank is not drained yet.

        Return whether there is a next vector.
        """
        next_bank, opens, free = Signal(), Signal(init=1), Signal(init=1)
        open_slot, take, moving = Signal(), Signal(), Signal()
        arriving = self.i.payload
        rest, pair = _without_lowest(current.live), _at_most(current.live, 2)
        m.d.comb += [
            open_slot.eq(~active | single),
            moving.eq(active & ~self.steal),
            # All of it but the steal is known a cycle ahead: ``ready`` goes far.
            self.i.ready.eq(free & ~self.steal),
            take.eq(self.i.ready & self.i.valid),
        ]
        with m.If(take):
            m.d.sync += [
                *(current[name].eq(arriving[name]) for name, _ in current.shape()),
                bank.eq(next_bank),
                opens.eq(arriving.end),
                next_bank.eq(next_bank ^ arriving.end),
                some.eq(arriving.live.any()),
                single.eq(_at_most(arriving.live, 1)),
            ]
        with m.Elif(moving):
            m.d.sync += [current.live.eq(rest), single.eq(pair)]
        with m.If(open_slot & ~self.steal):
            m.d.sync += active.eq(take)
        self._tell(m, active, some, ~free)
        busy = self._busy(m, bank, finishing & current.end)
        # Of the vector that comes with ``take``, and of the one that stays or the gap that is left.
        after_it = _at_most(arriving.live, 1) & ~(arriving.end & busy.bit_select(~next_bank, 1))
        ends = open_slot | (moving & pair)
        m.d.sync += free.eq(Mux(take, after_it, ends & ~(opens & busy.bit_select(next_bank, 1))))
        return take

    def _tell(self, m: Module, active: Signal, some: Signal, blocked: Value) -> None:
        """Say what the cycle goes to; without a vector that was settled when none was taken."""
        missing = Signal(Cause)
        stuck = Mux(blocked, Mux(self.held, Cause.OUTPUT, Cause.DRAIN), Cause.STEAL)
        m.d.sync += missing.eq(Mux(self.i.valid, stuck, Mux(self.dropping, Cause.SKIP, Cause.NONE)))
        beating = Mux(self.steal, Cause.STEAL, Mux(some, Cause.BEAT, Cause.NONE))
        m.d.sync += self.activity.eq(Mux(active, beating, missing))

    def _busy(self, m: Module, bank: Signal, closing: Value) -> Signal:
        """Return which psum banks hold a block that is not drained, as it is from the next cycle on."""
        busy, after = Signal(2), Signal(2)
        for n in range(2):
            released = self.release & (self.steal_bank == n)
            m.d.comb += after[n].eq((busy[n] & ~released) | (closing & (bank == n)))
        m.d.sync += busy.eq(after)
        return after

    def _choose(self, m: Module, current: data.View, bank: Signal, valid: Value, take: Signal) -> data.View:
        """Second stage: the group of this beat as one set bit, or the row to steal.

        What the first stage does not decide by is held here: ``take`` comes late in its cycle, and would have
        to reach all of it.
        """
        held = ("position", "bitmap", "values", "weight_bank", "activation_bank", "job")
        names = (*held, *part_shape(self.arch))
        layout = data.StructLayout(
            {
                **{name: 1 for name in ("valid", "steal", "release", "bank")},
                "steal_row": self.beat.row.shape(),
                "lowest": self.arch.groups,
                **{name: vector_shape(self.arch)[name].shape for name in names},
            }
        )
        chosen = bundle(layout, "chosen")
        before = delay_fields(m, self.i.payload, "before")
        with m.If(delay(m, take, 1, "taken", reset_less=False)):
            m.d.sync += [chosen[name].eq(before[name]) for name in names]
        m.d.sync += [
            chosen.valid.eq(valid),
            chosen.steal.eq(self.steal),
            chosen.release.eq(self.release),
            chosen.bank.eq(Mux(self.steal, self.steal_bank, bank)),
            chosen.steal_row.eq(self.steal_row),
            chosen.lowest.eq(current.live & ~_without_lowest(current.live)),
        ]
        return chosen

    def _place(self, m: Module, chosen: data.View) -> data.View:
        """Third stage: psum row, lanes and activation of the beat, and which values lie before its own."""
        arch = self.arch
        lane_bits, group_bits = arch.lanes.bit_length() - 1, arch.groups.bit_length() - 1
        low = chosen.position[:lane_bits]
        middle = chosen.position[lane_bits : lane_bits + group_bits]
        high = chosen.position[lane_bits + group_bits :]
        group = Signal(max(group_bits, 1))
        # Position of a one-hot bit, bit by bit of the result.
        bits = (
            Cat(chosen.lowest[n] for n in range(arch.groups) if n >> bit & 1).any()
            for bit in range(group_bits)
        )
        m.d.comb += group.eq(Cat(bits))
        # With one group per segment there is nothing to choose; an empty choice is no legal Verilog.
        inner = Mux(self.horizontal, group[:group_bits], middle) if group_bits else Const(0, 0)
        one_lane = (1 << low)[: arch.lanes] if lane_bits else 1
        row = Mux(self.horizontal, middle, group)
        above = (chosen.lowest[n + 1 :].any() for n in range(arch.groups))
        layout = data.StructLayout(
            {
                **_beat_fields(arch),
                "rows": data.ArrayLayout(arch.groups, 2),
                "releases": 2,
                "below": arch.groups,
                "values": chosen.values.shape(),
            }
        )
        placed = bundle(layout, "placed")
        m.d.sync += [
            placed.valid.eq(chosen.valid),
            placed.steal.eq(chosen.steal),
            placed.psum_bank.eq(chosen.bank),
            placed.row.eq(Mux(chosen.steal, chosen.steal_row, row)),
            placed.lane.eq(low),
            placed.lanes.eq(Mux(chosen.valid, Mux(self.horizontal, one_lane, (1 << arch.lanes) - 1), 0)),
            placed.activation.word.eq(Cat(inner, high)),
            placed.activation.bank.eq(chosen.activation_bank),
            # Values lie beat after beat, those of skipped groups too.
            placed.below.eq(chosen.bitmap & Cat(above)),
            placed.values.eq(chosen.values),
            placed.value_bank.eq(chosen.weight_bank),
        ]
        chosen_row = Mux(self.horizontal, _one_hot(middle, arch.groups), chosen.lowest)
        for bank in range(2):
            here = chosen.bank == bank
            rows = Mux(chosen.steal, _one_hot(chosen.steal_row, arch.groups), chosen_row)
            m.d.sync += [
                placed.rows[bank].eq(Mux(here, rows, 0)),
                placed.releases[bank].eq(chosen.release & here),
            ]
        return placed

    def _emit(self, m: Module, placed: data.View) -> None:
        """Last stages: count the values before the beat, and remember which psums have been started."""
        arch = self.arch
        touched = bundle(data.ArrayLayout(data.ArrayLayout(arch.lanes, arch.groups), 2), "touched")
        counted = bundle(data.StructLayout(_beat_fields(arch)), "counted")
        first = Signal(arch.lanes, reset_less=True)
        rank, values = Signal(range(arch.groups + 1), reset_less=True), Signal(placed.values.shape())
        m.d.sync += [counted[name].eq(placed[name]) for name in _beat_fields(arch)]
        m.d.sync += [
            rank.eq(sum(placed.below[n] for n in range(arch.groups))),
            values.eq(placed.values),
        ]
        seen = Signal(arch.lanes)
        m.d.sync += first.eq(~seen)
        places = [(bank, row) for bank in range(2) for row in range(arch.groups)]
        for lane in range(arch.lanes):
            marks = (touched[bank][row][lane] & placed.rows[bank][row] for bank, row in places)
            m.d.comb += seen[lane].eq(Cat(marks).any())
        for bank, row in places:
            marked = Mux(placed.rows[bank][row], placed.lanes, 0)
            m.d.sync += touched[bank][row].eq(Mux(placed.releases[bank], 0, touched[bank][row] | marked))
        kept = ("valid", "steal", "activation", "lane", "row", "psum_bank", "lanes")
        m.d.sync += [self.beat[name].eq(counted[name]) for name in kept]
        m.d.sync += [
            self.beat.first.eq(first),
            self.beat.value.index.eq(values + rank),
            self.beat.value.bank.eq(counted.value_bank),
        ]


def _beat_fields(arch: ArchConfig) -> dict[str, Any]:
    """Fields of a beat that are known before its values are counted."""
    beat = beat_shape(arch)
    names = ("valid", "steal", "activation", "lane", "row", "psum_bank", "lanes")
    return {**{name: beat[name].shape for name in names}, "value_bank": 1}


def _without_lowest(bits: Value) -> Value:
    """Return ``bits`` without the lowest that is set, flat however many there are."""
    return Cat(bits[n] & bits[:n].any() if n else Const(0, 1) for n in range(len(bits)))


def _at_most(bits: Value, most: int) -> Value:
    """Return whether no more than ``most`` bits, 1 or 2, are set.

    Four bits are counted up to 3 in one level of lookup tables, and two such counts are added in another.
    """
    counts = [_up_to_three(sum(bits[n : n + 4], Const(0))) for n in range(0, len(bits), 4)]
    while len(counts) > 1:
        counts = [_up_to_three(sum(counts[n : n + 2], Const(0))) for n in range(0, len(counts), 2)]
    return counts[0] <= most


def _up_to_three(count: Value) -> Value:
    """Return ``count`` in two bits; a larger one is 3."""
    return count[:2] | count[2:].any().replicate(2)


def _one_hot(number: Value, count: int) -> Value:
    """Return ``count`` bits of which bit ``number`` is set; of an empty number the only one."""
    return (1 << number)[:count] if len(number) else Const(1, 1)
