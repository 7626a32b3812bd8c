"""Where a column's captured psums join the drain chain."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay
from hw.shapes import drain_shape, token_shape
from spec.arch import ArchConfig

__all__ = ["DrainStation"]


class DrainStation(wiring.Component):
    """OR the column's L captured psums onto the chain when it is selected; gates, not multiplexers.

    Latency ``LATENCY`` cycles from ``select`` to ``o``; ``captured`` and ``i`` are expected one cycle
    after ``select``. L psums per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``lanes``, ``tokens``, ``psum_width`` (bits).

    Members
    -------
    index : In(token_shape(arch))
        Number of the column.
    select : In(drain_shape(arch))
    captured : In(ArrayLayout)
        One signed psum per lane.
    i, o : In, Out
        The chain: L psums, lane 0 lowest.
    """

    LATENCY = 2

    index: Signal
    select: data.View
    captured: data.View
    i: Signal
    o: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        width = arch.lanes * arch.psum_width
        super().__init__(
            {
                "index": In(token_shape(arch)),
                "select": In(drain_shape(arch)),
                "captured": In(data.ArrayLayout(signed(arch.psum_width), arch.lanes)),
                "i": In(width),
                "o": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.psum_width
        here = self.select.valid & (self.select.token == self.index)
        gated: list[Value] = []
        for lane in range(self.arch.lanes):
            # A copy per lane: one register would drive L psums.
            on = delay(m, here, 1, f"on_{lane}")
            psum = Signal(width, name=f"psum_{lane}", reset_less=True)
            above = self.i.word_select(lane, width)
            m.d.sync += psum.eq(Mux(on, self.captured[lane].as_unsigned(), 0) | above)
            gated.append(psum)
        m.d.comb += self.o.eq(Cat(gated))
        return m
