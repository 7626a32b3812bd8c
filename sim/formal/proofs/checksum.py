"""The checksum: CRC-32 as it is defined, bit after bit."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.checksum import Checksum
from hw.pipeline import delay
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["CHECKSUM"]

_WIDTH: Final = 40
_POLYNOMIAL: Final = 0xEDB88320
"""Of IEEE 802.3, lowest power in the highest bit."""
_ONES: Final = 0xFFFFFFFF


def _shifted() -> list[set[tuple[str, int]]]:
    """Return the register after a word, one bit of it at a time: per bit, the bits whose sum it is."""
    bits = [{("register", n)} for n in range(32)]
    for place in range(_WIDTH):
        feedback = bits[0] ^ {("word", place)}
        moved = [*bits[1:], set[tuple[str, int]]()]
        bits = [after ^ (feedback if _POLYNOMIAL >> n & 1 else set()) for n, after in enumerate(moved)]
    return bits


def _share(name: str, value: Value) -> Value:
    """Return what ``value``, register or word, adds to the register after the word."""
    return Cat(Cat(value[n] for which, n in sorted(bit) if which == name).xor() for bit in _shifted())


class ChecksumHarness(Harness):
    """Any words, anew at any of them; what holds from each word to the next holds for all of them."""

    def describe(self, m: Module) -> None:
        checksum, wait = self.component, Checksum.LATENCY
        crc_before = Signal(32)
        m.d.sync += crc_before.eq(checksum.crc)
        word = delay(m, checksum.data, wait - 1, "word", reset_less=False)
        starts = delay(m, checksum.start, wait - 1, "starts", reset_less=False)
        here = delay(m, checksum.valid, wait - 1, "here", reset_less=False)
        valid = delay(m, here, 1, "valid", reset_less=False)
        ones = _share("register", Const(_ONES, 32))
        added = Signal(32)
        m.d.comb += added.eq(_share("word", word) ^ Mux(starts, ones, 0))
        kept = Mux(delay(m, starts, 1, "anew"), 0, _share("register", ~crc_before))
        due = Mux(valid, ~(kept ^ delay(m, added, 1, "added")), crc_before)
        self.claim(m, "a_word_further", checksum.crc == due)
        # zlib.crc32(b"abcde")
        self.reach(m, "five_bytes", checksum.crc == 0x8587D865)
        first, rest = (self.interior.signal(name) for name in ("first_1", "rest_1"))
        self.lemma(m, "first", ~here | (first == word[:32]))
        self.lemma(m, "rest", ~here | (rest == _share("word", Cat(Const(0, 32), word[32:]))))


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
