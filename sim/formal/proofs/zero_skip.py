"""The zero-skip controller: vectors in order, only what meets zeros left out, credits kept."""

from typing import Final

from amaranth.asserts import AnyConst  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import LoadKind
from hw.zero_skip import ZeroSkip
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from sim.formal.proofs.queue import relate_queue
from spec.arch import ArchConfig

__all__ = ["ZERO_SKIP"]

_ARCH: Final = ArchConfig(
    clusters=1,
    lanes=2,
    tokens=2,
    segment=4,
    activation_width=2,
    activation_depth=4,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
_PATIENCE: Final = 3
_WAY: Final = 4
"""Cycles from a vector to the queue."""


class ZeroSkipHarness(Harness):
    """A decompressor that sends a vector in the cycle after a credit, never of a segment half
    loaded, or just loaded.

    One segment of one bank, any one, is followed: what its vectors meet is known. What others meet is taken
    from the component; their order and number is checked all the same.
    """

    def describe(self, m: Module) -> None:
        skip, depth = self.component, _ARCH.queue_depth
        credit, horizontal = Signal(), Signal()
        m.d.sync += credit.eq(skip.i.ready)
        m.d.comb += horizontal.eq(AnyConst(1))
        self.suppose(m, "sends_for_a_credit", ~skip.i.valid | credit)
        self.suppose(m, "one_direction", skip.horizontal == horizontal)
        followed, live = self._follow(m)
        o = self.sink(m, "o", skip.o, _PATIENCE)

        sent = [skip.i.valid]
        for n in range(1, _WAY + 2):
            sent.append(Signal(name=f"sent_{n}"))
            m.d.sync += sent[n].eq(sent[n - 1])
        vector = data.View(skip.i.payload.shape(), delay(m, skip.i.payload.as_value(), _WAY, "vector_sent"))
        known = delay(m, followed, _WAY, "vector_followed", reset_less=False)
        found = self.interior.signal("checked").live
        met = Mux(known, delay(m, live, _WAY, "vector_live"), found)
        keep = met.any() | vector.end | vector.last
        fields = [Value.cast(vector[name]) if name != "live" else met for name, _ in vector.shape()]
        order = self.order(
            m, "order", (sent[_WAY] & keep, Cat(fields)), (o.moved, skip.o.payload.as_value()), most=depth
        )
        spared = vector.bitmap & ~met
        count = delay(m, Mux(sent[_WAY], sum(spared[1:], spared[0]), 0), 1, "spared", reset_less=False)
        self.claim(m, "skipped", ~delay(m, known, 1, "known") | (skip.skipped == count))
        dropped = delay(m, sent[_WAY] & ~keep, Queue.LATENCY, "left_out", reset_less=False)
        self.claim(m, "dropping", skip.dropping == dropped)
        self._credit(m, sent, order.inside, o.moved, sent[_WAY] & ~keep)
        self.within(m, "moves", 1, (order.inside != 0) & ~skip.o.valid)
        self.reach(m, "drops_and_keeps", o.moved & order.tagged & known & delay(m, dropped, 1, "before"))
        relate_queue(self, m, order, "queue")

    def _credit(self, m: Module, sent: list[Value], inside: Value, moved: Value, dropped: Value) -> None:
        """A vector may be sent as long as one place is left for it and one for the vector before."""
        skip, depth = self.component, _ARCH.queue_depth
        returned, under_way = Signal(2), Signal(range(4 * depth))
        m.d.sync += returned.eq(moved + dropped)
        m.d.comb += under_way.eq(sum(sent[1 : _WAY + 1], inside + returned))
        ready = delay(m, depth - under_way - skip.i.valid + returned > 1, 1, "room", reset_less=False)
        started = delay(m, Const(1), 1, "started", reset_less=False)
        self.claim(m, "ready", ~started | (skip.i.ready == ready))
        credits = self.interior.signal("credits")
        allowed = delay(m, skip.i.ready, 1, "allowed", reset_less=False)
        self.lemma(m, "credits", (credits + under_way == depth) & (under_way <= depth))
        self.lemma(m, "one_left", (~skip.i.ready | (credits > 1)) & (~allowed | (credits != 0)))

    def _follow(self, m: Module) -> tuple[Value, Value]:
        """Return whether this cycle's vector is of the followed segment, and its groups worth a beat."""
        skip, load = self.component, self.component.load
        place, last, last_bank = Signal(2), Signal.like(load.address), Signal()
        shadow, complete, begun = Signal(_ARCH.segment), Signal(), Signal()
        fresh, recent = Signal(), Signal()
        m.d.comb += place.eq(AnyConst(2))
        loads = load.kind == LoadKind.ACTIVATION
        group, here = load.address[0], Cat(load.address[1], load.bank) == place
        follows = (load.address == last + 1) & (load.bank == last_bank)
        self.suppose(
            m, "in_order", ~loads | ((load.address < 4) & (load.part == 0) & (~group | (follows & begun)))
        )
        words = [load.data.word_select(n, _ARCH.activation_width) for n in range(4)]
        some = Cat((words[lane] | words[lane + 2]).any() for lane in range(_ARCH.lanes))
        # On its way to the memory for two cycles.
        m.d.sync += [fresh.eq(loads & here), recent.eq(fresh)]
        with m.If(loads):
            m.d.sync += [last.eq(load.address), last_bank.eq(load.bank), begun.eq(1)]
            with m.If(here):
                m.d.sync += [shadow.word_select(group, _ARCH.lanes).eq(some), complete.eq(group)]
        vector = skip.i.payload
        followed = Cat(vector.position[2:], vector.activation_bank) == place
        self.suppose(m, "loaded", ~(skip.i.valid & followed) | (complete & ~fresh & ~recent))
        horizontal = Cat(shadow.word_select(n, _ARCH.lanes).any() for n in range(_ARCH.groups))
        vertical = shadow.bit_select(vector.position[:2], 1).replicate(_ARCH.groups)
        stored = self.interior.word("occupancy.words", place, _ARCH.segment)
        self.lemma(m, "stored", ~complete | fresh | recent | (stored == shadow))
        half = begun & ~last[0] & (Cat(last[1], last_bank) == place) & ~fresh
        self.lemma(m, "first", ~half | ((self.interior.signal("seen") == shadow[:2]) & ~complete))
        return followed, vector.bitmap & Mux(skip.horizontal, horizontal, vertical)


ZERO_SKIP = Proof(
    subject=ZeroSkip,
    harness=lambda skip: ZeroSkipHarness(skip(_ARCH)),
    bug=Bug("self.i.ready.eq(after > 1)", "self.i.ready.eq(after != 0)"),
    depth=10,
    cover=14,
    induction=7,
)
