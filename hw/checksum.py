"""CRC-32 of a stream, a word per cycle."""

import zlib
from collections.abc import Sequence
from typing import Final

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay

__all__ = ["Checksum"]

_ONES: Final = 0xFFFFFFFF
_WIDTH: Final = 32


def _step(register: int, word: int, word_bytes: int) -> int:
    """Register after ``word``; zlib shows it inverted."""
    return zlib.crc32(word.to_bytes(word_bytes, "little"), register ^ _ONES) ^ _ONES


class Checksum(wiring.Component):
    """CRC-32 as in zlib (IEEE 802.3), of words in little-endian order.

    The CRC is linear, so every bit of the next register is the parity of some bits of register and word:
    one reduction each, which stays flat however wide the word is. A word's first 32 bits count as the
    register's bits do, so both go through the same gates; the parities of the rest are found ahead.
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

    LATENCY = 2

    start: Signal
    valid: Signal
    data: Signal
    crc: Signal

    def __init__(self, width: int) -> None:
        self.width: Final = width
        super().__init__({"start": In(1), "valid": In(1), "data": In(width), "crc": Out(_WIDTH)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word_bytes = self.width // 8
        register = Signal(_WIDTH, init=_ONES)
        reached = [_step(0, 1 << bit, word_bytes) for bit in range(self.width)]
        first = delay(m, self.data[:_WIDTH], 1, "first")
        others = _parities(self.data[_WIDTH:], reached[_WIDTH:]) if self.width > _WIDTH else Const(0)
        rest = delay(m, others, 1, "rest")
        starts, valid = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in ((self.start, "starts"), (self.valid, "valid"))
        )
        own = [_step(1 << bit, 0, word_bytes) for bit in range(_WIDTH)]
        # With the first word, the register begins with ones.
        mixed = Signal(_WIDTH)
        m.d.comb += [mixed.eq((register | starts.replicate(_WIDTH)) ^ first), self.crc.eq(~register)]
        with m.If(valid):
            m.d.sync += register.eq(_parities(mixed, own) ^ rest)
        return m


def _parities(value: Value, reached: Sequence[int]) -> Value:
    """Return a parity per bit of the register; bit n of ``value`` counts in those set in ``reached[n]``."""
    return Cat(
        Cat(value[bit] for bit, targets in enumerate(reached) if targets >> n & 1).xor()
        for n in range(_WIDTH)
    )
