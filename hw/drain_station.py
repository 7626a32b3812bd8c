"""Where a column's captured psums join the drain chain."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import drain_shape
from spec.arch import ArchConfig

__all__ = ["DrainStation"]


class DrainStation(wiring.Component):
    """Gate the selected lane and OR it onto the chain; gates are cheaper than multiplexers.

    Latency ``LATENCY`` cycles from ``select`` to ``o``; ``i`` is expected one cycle before ``o``.

    Members
    -------
    index : In
        Number of the column.
    select : In(drain_shape(arch))
    captured : In(ArrayLayout)
        One psum per lane.
    i, o : In, Out
        The chain.
    """

    LATENCY = 4

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "index": In(max((arch.tokens - 1).bit_length(), 1)),
                "select": In(drain_shape(arch)),
                "captured": In(data.ArrayLayout(signed(arch.psum_width), arch.lanes)),
                "i": In(arch.psum_width),
                "o": Out(arch.psum_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.psum_width
        merged = Signal(width)
        column = Signal(width, reset_less=True)
        out = Signal(width, reset_less=True)
        here = Signal()
        m.d.comb += here.eq(self.select.valid & (self.select.token == self.index))
        total = merged
        for lane in range(self.arch.lanes):
            on = Signal(name=f"on_{lane}", reset_less=True)
            gated = Signal(width, name=f"gated_{lane}", reset_less=True)
            m.d.sync += [
                on.eq(here & (self.select.lane == lane)),
                gated.eq(Mux(on, self.captured[lane].as_unsigned(), 0)),
            ]
            total = total | gated
        m.d.sync += [column.eq(total), out.eq(column | self.i)]
        m.d.comb += self.o.eq(out)
        return m
