"""CRC-32 of a stream, a word per cycle."""

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gf2 import apply, inverse
from hw.parities import shared_parities
from hw.pipeline import delay

__all__ = ["Checksum"]

_ONES: Final = 0xFFFFFFFF
_WIDTH: Final = 32
_WORD_ROWS: Final = 4
"""Parities of a word that share sums: 15 of about 8 bits each, if a word has 128."""
_OWN_ROWS: Final = 3
"""Parities of the register that share sums: 7 of about 4 bits each, and a parity takes 4 of them."""
_NIBBLE, _PART = 4, 16
"""Bits compared in one lookup table, and bits of the rest that are looked at in one cycle."""


class _Turned(NamedTuple):
    """CRC-32 in another basis.

    Parameters
    ----------
    own : tuple of int
        Register's matrix of one word: a companion matrix, each bit moves on and the last one feeds back.
    words : tuple of int
        Matrix from a word to the register.
    back : tuple of int
        Matrix from the register to zlib's, which shows it inverted.
    first : int
        Register before the first word.
    """

    own: tuple[int, ...]
    words: tuple[int, ...]
    back: tuple[int, ...]
    first: int


def _step(register: int, word: int, word_bytes: int) -> int:
    """Register after ``word``; zlib shows it inverted."""
    return zlib.crc32(word.to_bytes(word_bytes, "little"), register ^ _ONES) ^ _ONES


@cache
def _plain(word_bytes: int) -> _Turned:
    """Return the CRC of words in zlib's own basis."""
    own = tuple(_step(1 << bit, 0, word_bytes) for bit in range(_WIDTH))
    words = tuple(_step(0, 1 << bit, word_bytes) for bit in range(8 * word_bytes))
    return _Turned(own, words, tuple(1 << bit for bit in range(_WIDTH)), _ONES)


@cache
def _turned(word_bytes: int) -> _Turned:
    """Return the CRC of words in the basis v, Av, A²v..., where A takes the register over a word of zeros.

    There A is a companion matrix (Derby, "High-speed CRC computation using state-space transformations",
    Globecom 2001), so only two bits meet in the loop. Of the unit vectors, v is the one that leaves the
    fewest bits in the matrix of the words.
    """
    over, reached, _, first = _plain(word_bytes)
    found: list[_Turned] = []
    for start in range(_WIDTH):
        back = [1 << start]
        while len(back) < _WIDTH:
            back.append(apply(over, back[-1]))
        turn = inverse(back)
        if turn is not None:
            own = tuple(apply(turn, apply(over, column)) for column in back)
            words = tuple(apply(turn, column) for column in reached)
            found.append(_Turned(own, words, tuple(back), apply(turn, first)))
    return min(found, key=lambda one: sum(column.bit_count() for column in one.words))


class Checksum(wiring.Component):
    """CRC-32 as in zlib (IEEE 802.3), of words in little-endian order, and whether a stream ends in its own.

    The CRC is linear, so every bit of the next register is the parity of some bits of register and word.
    What the word adds is found ahead: bits that count in the same ones of a few parities are summed up once
    for these. The register is kept in a basis in which no more than two of its bits meet in a bit of the next
    one, so the loop is short however wide the word is, unless ``crc`` has a long way to go. To see whether a
    CRC is right it is taken in as one more word: what is left is the same whatever came before. One word per
    cycle; ``crc`` covers a word ``LATENCY`` cycles after it, and no longer once a first word was taken in the
    cycle before.

    Parameters
    ----------
    width : int
        Bits of a word, a multiple of 8, 32 at least if ``intact`` is to be used.
    direct : bool
        Keep the register in zlib's own basis: ``crc`` is not turned back, and the loop has the gates for it.

    Members
    -------
    start : In(1)
        With ``valid``: the word is the first.
    valid, data : In
    crc : Out(32)
    intact : Out(1)
        The word taken ``INTACT_LATENCY`` cycles before is the CRC of the words before it, then zeros. Only
        if no word has been taken since.
    """

    LATENCY = 2
    INTACT_LATENCY = 4

    start: Signal
    valid: Signal
    data: Signal
    crc: Signal
    intact: Signal

    def __init__(self, width: int, *, direct: bool = False) -> None:
        self.width: Final = width
        self.direct: Final = direct
        super().__init__(
            {"start": In(1), "valid": In(1), "data": In(width), "crc": Out(_WIDTH), "intact": Out(1)}
        )

    @property
    def basis(self) -> tuple[int, ...]:
        """What each bit of the register adds to zlib's, before that is inverted."""
        return self._matrices.back

    def shown(self, register: Value) -> Value:
        """Return what ``register`` adds to zlib's."""
        return shared_parities(register, self.basis, _WIDTH, rows=_OWN_ROWS)

    @property
    def _matrices(self) -> _Turned:
        return (_plain if self.direct else _turned)(self.width // 8)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turned = self._matrices
        # Of all ones over a word of zeros: what is left after a word that is the right CRC.
        ones = apply(turned.own, turned.first)
        register, begins = Signal(_WIDTH, init=turned.first), Signal()
        valid = delay(m, self.valid, 1, "valid", reset_less=False)
        added = self._added(m, turned.words)
        with m.If(valid):
            own = shared_parities(register, turned.own, _WIDTH, rows=_OWN_ROWS)
            m.d.sync += register.eq(own ^ added)
        # A cycle before the first word is added, so that this is the registers' own clear, not a gate.
        with m.If(begins):
            m.d.sync += register.eq(turned.first)
        m.d.comb += [
            begins.eq(self.start & self.valid),
            self.crc.eq(~self.shown(register)),
            self.intact.eq(self._matches(m, register, ones)),
        ]
        return m

    def _added(self, m: Module, words: Sequence[int]) -> Value:
        """Return what the word of the cycle before adds to the register."""

        def keep(part: Value, name: str) -> Value:
            return delay(m, part, 1, f"adds_{name}")

        return shared_parities(self.data, words, _WIDTH, rows=_WORD_ROWS, keep=keep)

    def _matches(self, m: Module, register: Signal, ones: int) -> Value:
        """Compare part by part: the register with ``ones``, and what the word had beyond a CRC with 0."""
        differs = Cat((register ^ ones)[low : low + _NIBBLE].any() for low in range(0, _WIDTH, _NIBBLE))
        late: Value = Const(0)
        if self.width > _WIDTH:
            rest = Cat(self.data[low : low + _PART].any() for low in range(_WIDTH, self.width, _PART))
            late = delay(m, delay(m, rest, 1, "rest").any(), 2, "rest_any")
        return delay(m, ~(delay(m, differs, 1, "differs").any() | late), 1, "matches")
