"""The bridges of an eight-bit link: every word is its bytes, lowest first, and nothing else."""

from amaranth.hdl import Cat, Module, Mux, Signal

from hw.byte_bridge import ByteNarrower, ByteWidener
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["BYTE_NARROWER", "BYTE_WIDENER"]

_WIDTH, _PATIENCE = 16, 3


class WidenerHarness(Harness):
    """Two bytes make a word; one word is inside, or half of the next."""

    def describe(self, m: Module) -> None:
        widener = self.component
        i = self.source(m, "i", widener.i)
        o = self.sink(m, "o", widener.o, _PATIENCE)
        low, half = Signal(8), Signal()
        with m.If(i.moved):
            m.d.sync += [half.eq(~half), low.eq(widener.i.payload)]
        complete = (i.moved & half, Cat(low, widener.i.payload))
        order = self.order(m, "order", complete, (o.moved, widener.o.payload), most=1)
        self.within(m, "takes", _PATIENCE + 1, i.waits)
        self.claim(m, "latency_is_one", widener.o.valid == (order.inside != 0))
        self.reach(m, "second_word", half & (widener.o.payload[:8] == 1) & i.moved)
        self.reach(m, "word", order.tagged & o.moved)

        self.lemma(m, "half", self.interior.signal("count") == half)
        self.lemma(m, "byte_is_here", ~half | (widener.o.payload[8:] == low))
        self.lemma(m, "half_or_full", ~(half & widener.o.valid))
        self.lemma(m, "tag_is_inside", ~order.tagged | (order.ahead < order.inside))
        self.lemma(m, "tag_is_here", ~order.tagged | (widener.o.payload == order.word))


class NarrowerHarness(Harness):
    """One word is inside; it has left with its second byte."""

    def describe(self, m: Module) -> None:
        narrower = self.component
        i = self.source(m, "i", narrower.i)
        o = self.sink(m, "o", narrower.o, _PATIENCE)
        low, half = Signal(8), Signal()
        with m.If(o.moved):
            m.d.sync += [half.eq(~half), low.eq(narrower.o.payload)]
        complete = (o.moved & half, Cat(low, narrower.o.payload))
        order = self.order(m, "order", (i.moved, narrower.i.payload), complete, most=1)
        self.within(m, "takes", 2 * (_PATIENCE + 2), i.waits)
        moved, gone = Signal(), Signal()
        m.d.sync += [moved.eq(o.moved), gone.eq(o.moved & half)]
        self.claim(m, "latency_is_one", narrower.o.valid == ((order.inside != 0) & ~moved))
        self.reach(m, "second_word", order.tagged & half & o.moved)

        word, held = self.interior.signal("word"), self.interior.signal("held")
        self.lemma(m, "moved", self.interior.signal("moved") == moved)
        self.lemma(m, "held", (held == ((order.inside != 0) | gone)) & (held | ~half) & (~moved | held))
        self.lemma(m, "left", ~held | (self.interior.signal("left") == ~(half ^ moved)))
        self.lemma(m, "tag_is_first", ~order.tagged | ((order.ahead == 0) & (order.inside == 1)))
        here = Mux(half & ~moved, Cat(low, word[:8]), word)
        self.lemma(m, "tag_is_here", ~order.tagged | (here == order.word))
        self.lemma(m, "first_is_known", ~(half & moved) | (low == word[:8]))


BYTE_WIDENER = Proof(
    subject=ByteWidener,
    harness=lambda widener: WidenerHarness(widener(_WIDTH)),
    bug=Bug("self.i.ready.eq(~self.o.valid)", "self.i.ready.eq(1)"),
    depth=12,
    cover=10,
    induction=6,
)

BYTE_NARROWER = Proof(
    subject=ByteNarrower,
    harness=lambda narrower: NarrowerHarness(narrower(_WIDTH)),
    bug=Bug("self.o.valid.eq(left != 0)", "self.o.valid.eq(1)"),
    depth=12,
    cover=10,
    induction=10,
)
