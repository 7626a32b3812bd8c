"""The frame closer: answers pass untouched, and none stays open."""

from amaranth.hdl import Module, Mux, Signal, Value

from hw.frame_closer import FrameCloser
from sim.formal.bug import Bug
from sim.formal.contract import StreamContract
from sim.formal.harness import Harness
from sim.formal.patience import Patience
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["FRAME_CLOSER"]

_ARCH, _PATIENCE = ArchConfig(clusters=1, lanes=1, tokens=1), 3


class FrameCloserHarness(Harness):
    """A reset of the core may cut at any time, and lasts until no answer is open."""

    def describe(self, m: Module) -> None:
        closer = self.component
        i = self.source(m, "i", closer.i, closer.cut)
        m.submodules.o = o = StreamContract(closer.o)
        m.submodules.patience = patience = Patience(_PATIENCE)
        m.d.comb += patience.waits.eq(o.waits)
        self.suppose(m, "o_taken", patience.kept)
        cut_before, opened = Signal(), Signal()
        m.d.sync += cut_before.eq(closer.cut)
        with m.If(o.moved):
            m.d.sync += opened.eq(~closer.o.payload.last)
        self.suppose(m, "cut_until_closed", ~(cut_before & opened) | closer.cut)

        self.claim(m, "o_kept", o.kept | (closer.cut & ~cut_before))
        passing = Value.cast(closer.o.payload)
        order = self.order(
            m,
            "order",
            (i.moved, Value.cast(closer.i.payload)),
            (o.moved & ~closer.cut, passing),
            most=0,
            passes=True,
        )
        self.claim(m, "waits_for_the_sink_only", i.waits == Mux(closer.cut, closer.i.valid, o.waits))
        self.claim(m, "unfinished", closer.unfinished == opened)
        self.claim(m, "end_is_zero", ~(closer.cut & closer.o.valid) | ((closer.o.payload.word == 0) & opened))
        self.claim(m, "end_is_last", ~(closer.cut & closer.o.valid) | closer.o.payload.last)
        self.within(m, "closes", _PATIENCE + 1, closer.cut & opened)
        self.reach(m, "closed_after_a_cut", cut_before & closer.cut & o.moved)
        self.reach(m, "passes_again", (order.inside == 0) & ~closer.cut & cut_before & i.moved)


FRAME_CLOSER = Proof(
    subject=FrameCloser,
    harness=lambda closer: FrameCloserHarness(closer(_ARCH)),
    bug=Bug("with m.If(self.o.valid & self.o.ready):", "with m.If(self.i.valid & self.i.ready):"),
    depth=12,
    cover=8,
    induction=6,
)
