"""The beat issuer: every live group one beat, in order, and no block in a bank that is not drained."""

from typing import Any, Final

from amaranth.asserts import AnyConst, AnySeq  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.beat_issuer import BeatIssuer
from hw.pipeline import delay
from hw.shapes import part_shape
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["BEAT_ISSUER"]

_ARCH: Final = ArchConfig(
    clusters=1,
    lanes=2,
    tokens=1,
    segment=4,
    activation_depth=4,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
_MOST: Final = _ARCH.groups + BeatIssuer.LATENCY
"""Beats between a vector and the array."""


class BeatIssuerHarness(Harness):
    """Any vectors with live groups out of their bitmaps; a drain that steals from closed blocks only."""

    def describe(self, m: Module) -> None:
        issuer = self.component
        i = self.source(m, "i", issuer.i)
        horizontal = Signal()
        m.d.comb += horizontal.eq(AnyConst(1))
        self.suppose(m, "one_direction", issuer.horizontal == horizontal)
        vector = issuer.i.payload
        self.suppose(m, "live_groups", ~i.moved | ((vector.live & ~vector.bitmap) == 0))
        bank = self._banks(m, i.moved)
        self._beats(m, i.moved, bank)
        closed = self.order(
            m,
            "closed",
            (
                i.moved & vector.end,
                Cat(*(vector[name] for name in part_shape(_ARCH)), vector.job, vector.last),
            ),
            (issuer.closed.valid, issuer.closed.payload.as_value()),
            most=2,
        )
        self.reach(m, "closes_twice", issuer.closed.valid & closed.tagged & (closed.ahead == 0) & bank)
        finished = self.order(m, "job_done", (i.moved & vector.last, 1), (issuer.job_done, 1), most=2)
        self.reach(m, "job_done", issuer.job_done & (finished.inside == 1))
        self.within(m, "takes", _ARCH.groups, i.waits & ~issuer.steal & self._may_open)

    def _banks(self, m: Module, taken: Value) -> Signal:
        """A block's bank is taken from its first vector to the release; return that of this vector."""
        issuer, vector = self.component, self.component.i.payload
        bank, inside, filled = Signal(), Signal(), Signal(2)
        closed_bank, closed = Signal(), Signal(2)
        with m.If(issuer.closed.valid):
            m.d.sync += closed_bank.eq(~closed_bank)
        ready = closed | (issuer.closed.valid << closed_bank)
        released = (issuer.release << issuer.steal_bank)[:2]
        m.d.sync += [
            closed.eq(ready & ~released),
            filled.eq((filled | ((taken & vector.end) << bank)) & ~released),
        ]
        self.suppose(m, "steals_of_closed", ~issuer.steal | closed.bit_select(issuer.steal_bank, 1))
        self.suppose(m, "releases_by_steal", ~issuer.release | issuer.steal)
        with m.If(taken):
            m.d.sync += [bank.eq(bank ^ vector.end), inside.eq(~vector.end)]
        self.claim(m, "bank_is_drained", ~taken | ~filled.bit_select(bank, 1))
        before = delay(m, filled.bit_select(bank, 1), 1, "filled_before", reset_less=False)
        self._may_open = ~filled.bit_select(bank, 1) & ~before
        self.reach(m, "bank_again", taken & ~bank & ~inside & (delay(m, issuer.release, 1, "released") == 1))
        return bank

    def _beats(self, m: Module, taken: Value, bank: Signal) -> None:
        """Follow one beat of one vector, any of both."""
        issuer, vector, beat = self.component, self.component.i.payload, self.component.beat
        group, pick, tagged = Signal(range(_ARCH.groups)), Signal(), Signal()
        inside, ahead = Signal(range(_MOST + 2)), Signal(range(_MOST + 2))
        m.d.comb += [group.eq(AnyConst(1)), pick.eq(AnySeq(1))]
        below = [vector.live[n] & (n < group) for n in range(_ARCH.groups)]
        due, seen = Signal(len(_fields(beat))), _fields(beat)
        m.d.sync += inside.eq(inside + Mux(taken, vector.live[0] + vector.live[1], 0) - beat.valid)
        with m.If(taken & pick & ~tagged & vector.live.bit_select(group, 1)):
            m.d.sync += [
                tagged.eq(1),
                due.eq(_expected(vector, group, bank, issuer.horizontal)),
                ahead.eq(inside - beat.valid + sum(below[1:], below[0])),
            ]
        with m.If(tagged & beat.valid):
            m.d.sync += [tagged.eq(ahead != 0), ahead.eq(ahead - 1)]
        self.claim(m, "beat", ~(tagged & beat.valid & (ahead == 0)) | (seen == due))
        self.claim(m, "no_beat_out_of_nothing", ~beat.valid | (inside != 0))
        self.claim(m, "beats_inside", inside <= _MOST)
        steal = delay(m, issuer.steal, BeatIssuer.STEAL_LATENCY, "stolen", reset_less=False)
        place = delay(m, Cat(issuer.steal_row, issuer.steal_bank), BeatIssuer.STEAL_LATENCY, "stolen_place")
        self.claim(m, "steal", beat.steal == steal)
        self.claim(m, "stolen_row", ~steal | (Cat(beat.row, beat.psum_bank) == place))
        self.claim(m, "one_at_a_time", ~(beat.steal & beat.valid))
        self.within(m, "moves", BeatIssuer.LATENCY, (inside != 0) & ~beat.valid & ~beat.steal)
        self.reach(m, "second_beat", tagged & beat.valid & (ahead == 0) & group & (beat.value.index == 7))


def _fields(beat: Any) -> Value:
    """What is compared of a beat."""
    return Cat(
        beat.value.index,
        beat.value.bank,
        beat.activation.word,
        beat.activation.bank,
        beat.row,
        beat.psum_bank,
        beat.lanes,
    )


def _expected(vector: Any, group: Value, bank: Value, horizontal: Value) -> Value:
    """Return the beat of ``group`` as docs/hardware.md describes it: two lanes, two groups.

    Vertical: the input at ``position`` meets both lanes of row ``group``. Horizontal: the inputs of ``group``
    meet the one output at ``position``.
    """
    index = (vector.values + (vector.bitmap[0] & group))[:6]
    word = Mux(horizontal, Cat(group, vector.position[2]), vector.position[1:3])
    row = Mux(horizontal, vector.position[1], group)
    lanes = Mux(horizontal, Cat(~vector.position[0], vector.position[0]), 3)
    return Cat(index, vector.weight_bank, word[:2], vector.activation_bank, row[:1], bank, lanes[:2])


BEAT_ISSUER = Proof(
    subject=BeatIssuer,
    harness=lambda issuer: BeatIssuerHarness(issuer(_ARCH)),
    bug=Bug("        with m.If(open_slot & ~self.steal):", "        with m.If(open_slot):"),
    depth=8,
    cover=22,
)
