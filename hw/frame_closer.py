"""Frame closer: no transfer stays without its end."""

from typing import Final

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.register_shapes import answer_shape
from spec.arch import ArchConfig

__all__ = ["FrameCloser"]


class FrameCloser(wiring.Component):
    """Pass answers on; end the one that a reset of the core has cut with a word of zeros.

    A receiver that waits for ``last`` would otherwise take the next answer for the rest of this one. No
    latency; one word per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).

    Members
    -------
    i, o : In, Out(stream.Signature(answer_shape(stream_width)))
    cut : In(1)
        Nothing comes on ``i`` any more.
    unfinished : Out(1)
        Words have gone that no ``last`` has followed yet.
    """

    i: stream.Interface
    o: stream.Interface
    cut: Signal
    unfinished: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        answer = answer_shape(arch.stream_width)
        super().__init__(
            {
                "i": In(stream.Signature(answer)),
                "o": Out(stream.Signature(answer)),
                "cut": In(1),
                "unfinished": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.cut):
            m.d.comb += [self.o.valid.eq(self.unfinished), self.o.payload.last.eq(1)]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.i.valid),
                self.o.payload.eq(self.i.payload),
                self.i.ready.eq(self.o.ready),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.unfinished.eq(~self.o.payload.last)
        return m
