"""The checksum: CRC-32 as it is defined, bit after bit, in whatever basis the register is kept."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.checksum import Checksum
from hw.gf2 import apply, inverse
from hw.pipeline import delay
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["CHECKSUM", "DIRECT_CHECKSUM"]

_WIDTH: Final = 8
_POLYNOMIAL: Final = 0xEDB88320
"""Of IEEE 802.3, lowest power in the highest bit."""
_ONES: Final = 0xFFFFFFFF
_BYTES: Final = b"a"


def _shifted(register: int, word: int) -> int:
    """Return the register after ``word``, one bit of it after the other."""
    for place in range(_WIDTH):
        feedback = (register ^ word >> place) & 1
        register = register >> 1 ^ feedback * _POLYNOMIAL
    return register


def _product(columns: Sequence[int], value: Value) -> Value:
    """Return a matrix, given by its columns, times ``value``."""
    return Cat(
        Cat(value[place] for place, column in enumerate(columns) if column >> n & 1).xor() for n in range(32)
    )


class ChecksumHarness(Harness):
    """Any words, anew at any of them; what holds from each word to the next holds for all of them.

    A solver does not see that two matrices make the same sums in another order. So the definition is turned
    into the basis of the register before it meets the solver.
    """

    def describe(self, m: Module) -> None:
        checksum = self.component
        begins = checksum.start & checksum.valid
        word, starts, here = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in (
                (checksum.data, "word"),
                (begins, "starts"),
                (checksum.valid, "here"),
            )
        )
        register = self.interior.signal("register")
        shown = checksum.basis
        turn = inverse(shown)
        if turn is None or any(apply(turn, column) != 1 << n for n, column in enumerate(shown)):
            raise ValueError("two registers show the same CRC; no definition can be turned into that basis")
        own = [apply(turn, _shifted(column, 0)) for column in shown]
        words = [apply(turn, _shifted(0, 1 << place)) for place in range(_WIDTH)]
        first = apply(turn, _ONES)
        due, ones = Signal(32, init=first), apply(own, first)
        moved = _product(own, register) ^ _product(words, word)
        m.d.sync += due.eq(Mux(begins, first, Mux(here, moved, register)))
        self.claim(m, "crc_of_the_register", checksum.crc == ~checksum.shown(register))
        self.claim(m, "a_word_further", register == due)
        seals = delay(m, register == ones, 2, "seals") & delay(m, checksum.data[32:] == 0, 4, "bare")
        settled = delay(m, Const(1), Checksum.INTACT_LATENCY, "settled", reset_less=False)
        self.claim(m, "register_of_a_right_crc", ~settled | (checksum.intact == seals))
        self.claim(m, "anew_from_a_first_word_on", ~starts | (register == first))
        spelled = delay(m, here & starts & ~begins & (word == int.from_bytes(_BYTES, "little")), 1, "spelled")
        self.reach(m, "one_byte", spelled & (checksum.crc == zlib.crc32(_BYTES)))
        self.lemma(m, "added", ~here | (self.interior.signal("added") == _product(words, word)))


_BUG: Final = Bug("begins.eq(self.start & self.valid)", "begins.eq(self.start)")

CHECKSUM = Proof(
    subject=Checksum,
    harness=lambda checksum: ChecksumHarness(checksum(_WIDTH)),
    bug=_BUG,
    depth=6,
    cover=8,
    induction=6,
)
DIRECT_CHECKSUM = replace(CHECKSUM, harness=lambda checksum: ChecksumHarness(checksum(_WIDTH, direct=True)))
