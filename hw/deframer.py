"""Deframer: finds packet starts in the input stream, whatever came before."""

from typing import Final

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spec.arch import ArchConfig
from spec.packet import STUFF_BYTES, SYNC_BYTES

__all__ = ["Deframer", "framed_shape"]


def framed_shape(arch: ArchConfig) -> data.StructLayout:
    """A word without framing: ``first`` follows a SYNC; ``words`` is what it took of the stream, 1 or 2."""
    return data.StructLayout({"data": arch.stream_width, "first": 1, "words": 2})


class Deframer(wiring.Component):
    """Take SYNC words out, mark the word behind each, and restore words that were stuffed.

    Latency ``LATENCY`` cycles; one word of the stream per cycle. ``i.ready`` follows ``o.ready``
    combinationally.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits), a multiple of 64.

    Members
    -------
    i : In(stream.Signature(stream_width))
    o : Out(stream.Signature(framed_shape(arch)))
    """

    LATENCY = 1

    i: stream.Interface
    o: stream.Interface

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(arch.stream_width)),
                "o": Out(stream.Signature(framed_shape(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        repeats = self.arch.stream_width // (8 * len(SYNC_BYTES))
        sync = int.from_bytes(SYNC_BYTES * repeats, "little")
        stuff = int.from_bytes(STUFF_BYTES * repeats, "little")
        after_sync = Signal()
        word = self.i.payload
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid):
                m.d.sync += [self.o.payload.data.eq(word), self.o.payload.first.eq(after_sync)]
                m.d.sync += self.o.payload.words.eq(1 + after_sync)
                with m.If(word == sync):
                    m.d.sync += after_sync.eq(1)
                with m.Else():
                    m.d.sync += [after_sync.eq(0), self.o.valid.eq(1)]
                    with m.If(after_sync & (word == stuff)):
                        m.d.sync += [self.o.payload.data.eq(sync), self.o.payload.first.eq(0)]
        return m
