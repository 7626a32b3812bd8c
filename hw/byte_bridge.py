"""Bytes to words and words to bytes: the accelerator's streams on an eight-bit link."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteNarrower", "ByteWidener"]


class ByteWidener(wiring.Component):
    """Gather bytes into words, the first byte lowest.

    Latency 1 cycle from a word's last byte to the word; one byte per cycle, and one cycle between words.

    Parameters
    ----------
    width : int
        Bits of a word, a multiple of 8.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(width))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int) -> None:
        self.width: Final = width
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(self.width, reset_less=True)
        count = Signal(range(self.width // 8))
        m.d.comb += [self.o.payload.eq(word), self.i.ready.eq(~self.o.valid)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(Cat(word[8:], self.i.payload)), count.eq(count + 1)]
            m.d.sync += self.o.valid.eq(count == self.width // 8 - 1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class ByteNarrower(wiring.Component):
    """Send words byte by byte, the lowest byte first.

    Latency 1 cycle from a word to its first byte; one byte in two cycles, and one cycle between words.

    Parameters
    ----------
    width : int
        Bits of a word, a multiple of 8.

    Members
    -------
    i : In(stream.Signature(width))
    o : Out(stream.Signature(8))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int) -> None:
        self.width: Final = width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Every bit of the word moves by what registers say: a handshake would have too far to go.
        word = Signal(self.width, reset_less=True)
        left = Signal(range(self.width // 8))
        held, moved = Signal(), Signal()
        m.d.comb += [self.o.payload.eq(word[:8]), self.i.ready.eq(~held)]
        m.d.sync += moved.eq(self.o.valid & self.o.ready)
        with m.If(~held):
            m.d.sync += [word.eq(self.i.payload), left.eq(self.width // 8 - 1)]
            m.d.sync += [held.eq(self.i.valid), self.o.valid.eq(self.i.valid)]
        with m.Elif(moved):
            m.d.sync += [word.eq(word[8:]), left.eq(left - 1)]
            m.d.sync += [held.eq(left != 0), self.o.valid.eq(left != 0)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
