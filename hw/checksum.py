"""CRC-32 of a stream, a word per cycle."""

import zlib
from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Checksum"]

_ONES: Final = 0xFFFFFFFF


def _step(register: int, word: int, word_bytes: int) -> int:
    """Register after ``word``; zlib shows it inverted."""
    return zlib.crc32(word.to_bytes(word_bytes, "little"), register ^ _ONES) ^ _ONES


class Checksum(wiring.Component):
    """CRC-32 as in zlib (IEEE 802.3), of words in little-endian order.

    The CRC is linear, so every bit of the next register is the parity of some bits of register and word:
    one reduction each, which stays flat however wide the word is. ``crc`` covers a word one cycle after
    it; one word per cycle.

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
        register, current = Signal(32, init=_ONES), Signal(32)
        terms: list[list[Value]] = [[] for _ in range(32)]
        for bit in range(32):
            reached = _step(1 << bit, 0, word_bytes)
            for n in range(32):
                if reached >> n & 1:
                    terms[n].append(current[bit])
        for bit in range(self.width):
            reached = _step(0, 1 << bit, word_bytes)
            for n in range(32):
                if reached >> n & 1:
                    terms[n].append(self.data[bit])
        m.d.comb += [current.eq(Mux(self.start, _ONES, register)), self.crc.eq(~register)]
        with m.If(self.valid):
            m.d.sync += register.eq(Cat(Cat(some).xor() for some in terms))
        return m
