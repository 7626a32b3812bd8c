"""Deframer: finds packet starts in the input stream, whatever came before."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spec.arch import ArchConfig
from spec.packet import framing_words

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
        Uses ``stream_width`` (bits).

    Members
    -------
    i : In(stream.Signature(stream_width))
    o : Out(stream.Signature(framed_shape(arch)))
    """

    LATENCY = 2

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
        marks = framing_words(self.arch.stream_width // 8)
        sync, stuff = (int.from_bytes(mark, "little") for mark in marks)
        word, held = self.i.payload, Signal(self.arch.stream_width, reset_less=True)
        # Found a cycle ahead: a wide word takes most of one to compare.
        held_valid, is_sync, is_stuff = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        advance, after_sync = Signal(), Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(~held_valid | advance)]
        with m.If(self.i.ready):
            m.d.sync += [held_valid.eq(self.i.valid), held.eq(word)]
            m.d.sync += [is_sync.eq(word == sync), is_stuff.eq(word == stuff)]
        with m.If(advance):
            restored = after_sync & is_stuff
            m.d.sync += [
                self.o.valid.eq(held_valid & ~is_sync),
                self.o.payload.data.eq(Mux(restored, sync, held)),
                self.o.payload.first.eq(after_sync & ~is_stuff),
                self.o.payload.words.eq(1 + after_sync),
            ]
            with m.If(held_valid):
                m.d.sync += after_sync.eq(is_sync)
        return m
