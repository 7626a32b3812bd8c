"""The register slice: two transfers inside at most, in order, and either side moves on its own."""

from amaranth.hdl import Module, Mux

from hw.register_slice import RegisterSlice
from sim.formal.bug import Bug
from sim.formal.contract import StreamContract
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["REGISTER_SLICE"]

_WIDTH, _PATIENCE, _MOST = 4, 3, 2


class RegisterSliceHarness(Harness):
    """Any source, even one that takes an offer back; a clear at any time."""

    def describe(self, m: Module) -> None:
        slice_, spare = self.component, self.interior.signal("spare")
        m.submodules.i = i = StreamContract(slice_.i)
        o = self.sink(m, "o", slice_.o, _PATIENCE, slice_.clear)
        order = self.order(
            m,
            "order",
            (i.moved, slice_.i.payload),
            (o.moved, slice_.o.payload),
            most=_MOST,
            clear=slice_.clear,
        )
        self.within(m, "takes", _PATIENCE + 1, i.waits & ~slice_.clear)
        self.claim(m, "latency_is_one", slice_.o.valid == (order.inside != 0))
        self.reach(m, "both_places_full", order.tagged & (order.ahead == 1) & o.moved)
        # Where the words are.
        self.lemma(m, "counted", order.inside == slice_.o.valid + spare)
        self.lemma(m, "ready_with_a_place", ~(slice_.i.ready & spare))
        self.lemma(m, "tag_is_inside", ~order.tagged | (order.ahead < order.inside))
        here = Mux(order.ahead == 0, slice_.o.payload, self.interior.signal("spare_payload"))
        self.lemma(m, "tag_is_here", ~order.tagged | (here == order.word))


REGISTER_SLICE = Proof(
    subject=RegisterSlice,
    harness=lambda slice_: RegisterSliceHarness(slice_(_WIDTH)),
    bug=Bug("ready.eq(move | ~(spare | store))", "ready.eq(move | ~spare)"),
    depth=8,
    cover=10,
    induction=6,
)
