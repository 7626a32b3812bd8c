"""The multiplier of a PE."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """Signed product with registers before and behind it, as DSP blocks have them.

    Latency ``LATENCY`` cycles: operand registers, product register, and one in the fabric, since the
    route from a DSP block to an adder alone costs most of a cycle on ECP5.

    Parameters
    ----------
    a_width, b_width : int
        Bits of the signed operands.
    """

    LATENCY = 3

    def __init__(self, a_width: int, b_width: int) -> None:
        self.a_width = a_width
        self.b_width = b_width
        super().__init__(
            {"a": In(signed(a_width)), "b": In(signed(b_width)), "o": Out(signed(a_width + b_width))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a = Signal(signed(self.a_width), reset_less=True)
        b = Signal(signed(self.b_width), reset_less=True)
        product = Signal(signed(self.a_width + self.b_width), reset_less=True)
        fabric = Signal(signed(self.a_width + self.b_width), reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b), fabric.eq(product)]
        m.d.comb += self.o.eq(fabric)
        return m
