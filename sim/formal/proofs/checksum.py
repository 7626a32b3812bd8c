"""The checksum: CRC-32 as it is defined, bit after bit."""

import zlib
from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.checksum import Checksum
from hw.pipeline import delay
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["CHECKSUM"]

_WIDTH: Final = 8
_POLYNOMIAL: Final = 0xEDB88320
"""Of IEEE 802.3, lowest power in the highest bit."""
_ONES: Final = 0xFFFFFFFF
_BYTES: Final = b"a"


def _shifted() -> list[set[tuple[str, int]]]:
    """Return the register after a word, one bit of it at a time: per bit, the bits whose sum it is."""
    bits = [{("register", n)} for n in range(32)]
    for place in range(_WIDTH):
        feedback = bits[0] ^ {("word", place)}
        moved = [*bits[1:], set[tuple[str, int]]()]
        bits = [after ^ (feedback if _POLYNOMIAL >> n & 1 else set()) for n, after in enumerate(moved)]
    return bits


def _after(register: Value, word: Value) -> tuple[Value, Value]:
    """Return the register after ``word`` in two summands: of its first 32 bits, and of the others.

    The sum of a bit of the register and the bit of the word that counts wherever it does is taken first: a
    solver takes long to see that the order of sums does not matter.
    """
    near, far = [], []
    for bit in _shifted():
        places = {which: sorted(n for name, n in bit if name == which) for which in ("register", "word")}
        begin = {n: register[n] ^ word[n] if n in places["word"] else register[n] for n in places["register"]}
        near.append(Cat(begin.values()).xor())
        far.append(Cat(word[n] for n in places["word"] if n not in begin).xor())
    return Cat(near), Cat(far)


class ChecksumHarness(Harness):
    """Any words, anew at any of them; what holds from each word to the next holds for all of them."""

    def describe(self, m: Module) -> None:
        checksum = self.component
        word, starts, here = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in (
                (checksum.data, "word"),
                (checksum.start, "starts"),
                (checksum.valid, "here"),
            )
        )
        before, due = Signal(32), Signal(32, init=_ONES)
        m.d.comb += before.eq(~checksum.crc)
        near, far = _after(Mux(starts, _ONES, before), word)
        m.d.sync += due.eq(Mux(here, near ^ far, before))
        self.claim(m, "a_word_further", checksum.crc == ~due)
        spelled = delay(m, here & starts & (word == int.from_bytes(_BYTES, "little")), 1, "spelled")
        self.reach(m, "one_byte", spelled & (checksum.crc == zlib.crc32(_BYTES)))
        self.lemma(m, "first", ~here | (self.interior.signal("first") == word[:32]))
        self.lemma(m, "rest", ~here | (self.interior.signal("rest") == far))


CHECKSUM = Proof(
    subject=Checksum,
    harness=lambda checksum: ChecksumHarness(checksum(_WIDTH)),
    bug=Bug(
        "(register | starts.replicate(_WIDTH)) ^ first", "(register & ~starts.replicate(_WIDTH)) ^ first"
    ),
    depth=6,
    cover=8,
    induction=3,
)
