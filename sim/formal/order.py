"""Tagged order: one word, any word, is followed from the way in to the way out."""

from amaranth.asserts import AnySeq  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["TaggedOrder"]


class TaggedOrder(wiring.Component):
    """Let the solver tag a word that enters; count the words ahead of it; look at it when they are gone.

    As the tag may go to any word, ``kept`` says of all of them that they leave once, in order and
    unchanged: a lost or doubled word, or two that change places, put another one where the tagged word is
    due.

    Parameters
    ----------
    width : int
        Bits of a word.
    most : int
        Words that may be inside; one more is still counted.
    passes : bool
        A word may leave in the cycle in which it enters.

    Members
    -------
    enter, entering, leave, leaving : In
        Words that go in and come out, at most one per cycle.
    clear : In(1)
        Every word inside is forgotten at the end of the cycle.
    inside, ahead : Out
        Words inside, and those of them ahead of the tagged one.
    tagged, word : Out
        The tagged word is inside; it.
    kept : Out(1)
        Nothing leaves that did not enter, the tagged word leaves in its turn, and ``most`` is kept to.
    """

    enter: Signal
    entering: Signal
    leave: Signal
    leaving: Signal
    clear: Signal
    inside: Signal
    ahead: Signal
    tagged: Signal
    word: Signal
    kept: Signal

    def __init__(self, width: int, most: int, *, passes: bool = False) -> None:
        self.width = width
        self.most = most
        self.passes = passes
        super().__init__(
            {
                "enter": In(1),
                "entering": In(width),
                "leave": In(1),
                "leaving": In(width),
                "clear": In(1),
                "inside": Out(range(most + 2)),
                "ahead": Out(range(most + 2)),
                "tagged": Out(1),
                "word": Out(width),
                "kept": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pick, empty, due = Signal(), Signal(), Signal()
        through = self.enter & (self.entering == self.leaving) if self.passes else 0
        m.d.comb += [
            pick.eq(AnySeq(1)),
            empty.eq(self.inside == 0),
            due.eq(self.tagged & (self.ahead == 0)),
            self.kept.eq(
                ~(self.leave & Mux(empty, ~through, due & (self.leaving != self.word)))
                & (self.inside <= self.most)
            ),
        ]
        m.d.sync += self.inside.eq(self.inside + self.enter - self.leave)
        with m.If(self.enter & pick & ~self.tagged & ~(empty & self.leave)):
            m.d.sync += [
                self.tagged.eq(1),
                self.word.eq(self.entering),
                self.ahead.eq(self.inside - self.leave),
            ]
        with m.If(self.tagged & self.leave):
            m.d.sync += [self.tagged.eq(~due), self.ahead.eq(self.ahead - 1)]
        with m.If(self.clear):
            m.d.sync += [self.inside.eq(0), self.tagged.eq(0)]
        return m
