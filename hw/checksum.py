"""CRC-32 of a stream, a word per cycle."""

import zlib
from collections.abc import Sequence
from functools import reduce
from operator import xor
from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay

__all__ = ["Checksum"]

_ONES: Final = 0xFFFFFFFF
_PART: Final = 16
"""Bits of a word whose parities are found at once: two levels of lookup tables."""


def _step(register: int, word: int, word_bytes: int) -> int:
    """Register after ``word``; zlib shows it inverted."""
    return zlib.crc32(word.to_bytes(word_bytes, "little"), register ^ _ONES) ^ _ONES


class Checksum(wiring.Component):
    """CRC-32 as in zlib (IEEE 802.3), of words in little-endian order.

    The CRC is linear, so every bit of the next register is the parity of some bits of register and word:
    one reduction each, which stays flat however wide the word is. That of the word is found ahead, part
    by part.
    ``crc`` covers a word ``LATENCY`` cycles after it; one word per cycle.

    Parameters
    ----------
    width : int
        Bits of a word, a multiple of 8.

    Members
    -------
    start : In(1)
        With ``valid``: the word is the first.
    valid, data : In
    crc : Out(32)
    """

    LATENCY = 3

    start: Signal
    valid: Signal
    data: Signal
    crc: Signal

    def __init__(self, width: int) -> None:
        self.width: Final = width
        super().__init__({"start": In(1), "valid": In(1), "data": In(width), "crc": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word_bytes = self.width // 8
        register, folded = Signal(32, init=_ONES), Signal(32, reset_less=True)
        own = _parities(register, [_step(1 << bit, 0, word_bytes) for bit in range(32)])
        new = [_step(0, 1 << bit, word_bytes) for bit in range(self.width)]
        parts = [
            delay(m, _parities(self.data[low : low + _PART], new[low : low + _PART]), 1, f"part_{low}")
            for low in range(0, self.width, _PART)
        ]
        starts, valid = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in ((self.start, "starts"), (self.valid, "valid"))
        )
        # What the register of ones becomes; the one of the word before is then left out.
        first = _step(_ONES, 0, word_bytes)
        m.d.sync += folded.eq(reduce(xor, parts, Mux(starts, first, 0)))
        anew, counts = delay(m, starts, 1, "anew"), delay(m, valid, 1, "counts", reset_less=False)
        m.d.comb += self.crc.eq(~register)
        with m.If(counts):
            m.d.sync += register.eq(Mux(anew, 0, own) ^ folded)
        return m


def _parities(value: Value, reached: Sequence[int]) -> Value:
    """Return 32 parities: bit n of ``value`` counts in those that are set in ``reached[n]``."""
    return Cat(
        Cat(value[bit] for bit, targets in enumerate(reached) if targets >> n & 1).xor() for n in range(32)
    )
