"""The stream window: 32 bits at a time either way, nothing lost, nothing counted wrong."""

from typing import Any, Final

from amaranth.hdl import Cat, Module, Signal, Value

from hw.stream_window import StreamWindow
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from sim.formal.proofs.queue import relate_queue
from spec.arch import ArchConfig

__all__ = ["STREAM_WINDOW"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=1)
_DEPTH, _PATIENCE = 2, 3


class StreamWindowHarness(Harness):
    """Reads and writes at any time, refused or not; words of two pieces, queues of ``_DEPTH``."""

    def describe(self, m: Module) -> None:
        self._way_in(m)
        self._way_out(m)

    def _way_in(self, m: Module) -> None:
        window = self.component
        o = self.sink(m, "o", window.o, _PATIENCE, window.clear)
        low, half, writes = Signal(32), Signal(name="written_half"), Signal()
        m.d.comb += writes.eq(window.write & ~window.write_full)
        with m.If(writes):
            m.d.sync += [half.eq(~half), low.eq(window.write_data)]
        with m.If(window.clear):
            m.d.sync += half.eq(0)
        order = self.order(
            m,
            "written",
            (writes & half, Cat(low, window.write_data)),
            (o.moved, window.o.payload),
            most=_DEPTH,
            clear=window.clear,
        )
        self.claim(m, "input_space", window.levels.input_space == _DEPTH - order.inside)
        self.claim(m, "full", window.write_full == (order.inside == _DEPTH))
        self.within(m, "word_moves", 1, (order.inside != 0) & ~window.o.valid & ~window.clear)
        self.reach(m, "second_word_out", o.moved & order.tagged & (order.ahead == 1))

        pieces, words = (self.interior.signal(name, method="_gather") for name in ("piece", "words"))
        self.lemma(m, "write_place", (pieces == half) & (words == order.inside))
        self.lemma(m, "gathered", ~half | (self.interior.signal("gathered") == low))
        relate_queue(self, m, order, "input_queue")

    def _way_out(self, m: Module) -> None:
        window = self.component
        i = self.source(m, "i", window.i, window.clear)
        low, half, reads = Signal(32), Signal(name="read_half"), Signal()
        last, ends = Signal(), Signal(range(_DEPTH + 2))
        m.d.comb += reads.eq(window.read & ~window.read_empty)
        with m.If(reads):
            m.d.sync += [half.eq(~half), low.eq(window.read_data)]
        with m.If(window.clear):
            m.d.sync += half.eq(0)
        out: Any = self.interior.owner("output_queue").o
        m.d.comb += last.eq(out.payload.last)
        order = self.order(
            m,
            "read",
            (i.moved, Value.cast(window.i.payload)),
            (reads & half, Cat(low, window.read_data, last)),
            most=_DEPTH + 1,
            clear=window.clear,
        )
        m.d.sync += ends.eq(ends + (i.moved & window.i.payload.last) - (reads & half & last))
        with m.If(window.clear):
            m.d.sync += ends.eq(0)
        seen = ~window.read_empty
        self.claim(m, "output_words", ~seen | (window.levels.output_words == order.inside))
        waiting = (ends != 0) | (order.inside >= _DEPTH // 2)
        self.claim(m, "answer_waiting", window.answer_waiting == (seen & waiting))
        self.claim(m, "takes_with_room", window.i.ready == (order.inside <= _DEPTH))
        self.within(m, "answer_moves", 1, (order.inside != 0) & ~seen & ~window.clear)
        self.reach(m, "second_answer_read", reads & half & order.tagged & (order.ahead == 1))

        pieces, words = (self.interior.signal(name, method="_hand_out") for name in ("piece", "words"))
        self.lemma(m, "read_place", (pieces == half) & (words == order.inside))
        self.lemma(m, "ends", self.interior.signal("ends") == ends)
        self.lemma(m, "first_half", ~half | (seen & (out.payload.word[:32] == low)))
        relate_queue(self, m, order, "output_queue")


def _small(window: Any) -> Any:
    """Return a window with short queues; its class says how long they are."""
    return type("SmallWindow", (window,), {"DEPTH": _DEPTH})(_ARCH)


STREAM_WINDOW = Proof(
    subject=StreamWindow,
    harness=lambda window: StreamWindowHarness(_small(window)),
    bug=Bug("self.write_full.eq(words == self.DEPTH)", "self.write_full.eq(words == self.DEPTH + 1)"),
    depth=10,
    cover=12,
    induction=2,
)
