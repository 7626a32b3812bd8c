"""The delay line: every word comes out a fixed time later."""

from typing import Final

from amaranth.asserts import AnySeq  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Module, Signal

from hw.delay_line import DelayLine
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["DELAY_LINE"]

_WIDTH: Final = 4
_CYCLES: Final = 5
_TURN: Final = _CYCLES - 1


class DelayLineHarness(Harness):
    """The solver picks a word; ``age`` counts the cycles since."""

    def describe(self, m: Module) -> None:
        line, place = self.component, self.interior.signal("place")
        pick, age, word, slot = Signal(), Signal(range(_CYCLES + 1)), Signal(_WIDTH), Signal(range(_TURN))
        m.d.comb += pick.eq(AnySeq(1))
        with m.If((age == 0) & pick):
            m.d.sync += [age.eq(1), word.eq(line.i), slot.eq(place)]
        with m.Elif((age != 0) & (age != _CYCLES)):
            m.d.sync += age.eq(age + 1)
        with m.Elif(age == _CYCLES):
            m.d.sync += age.eq(0)
        self.claim(m, "in_time", (age != _CYCLES) | (line.o == word))
        self.reach(m, "a_second_word", (age == _CYCLES) & (line.o == 9) & (slot == 1))

        stored = (age != 0) & (age != _CYCLES)
        self.lemma(m, "ages", age <= _CYCLES)
        self.lemma(m, "place", (place < _TURN) & (slot < _TURN))
        self.lemma(m, "turns", ~stored | (place == (slot + age) % _TURN))
        self.lemma(m, "word_is_here", ~stored | (self.interior.word("ring", slot, _WIDTH) == word))


DELAY_LINE = Proof(
    subject=DelayLine,
    harness=lambda line: DelayLineHarness(line(_WIDTH, _CYCLES)),
    bug=Bug("Mux(place == turn - 1, 0, place + 1)", "place + (place != turn - 2)"),
    depth=14,
    cover=14,
    induction=2,
)
