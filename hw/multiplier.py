"""The multiplier of a PE."""

from typing import Final

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5 import ecp5_product
from hw.family import Family, family_of
from hw.ice40 import ice40_product

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """Signed product with registers before and behind it, as DSP blocks have them.

    On ECP5 and iCE40 the DSP block is placed as such: of one that it infers for ECP5 yosys leaves the
    registers outside, and products of one that it infers for iCE40 it ties to a constant.
    Latency ``LATENCY`` cycles, one product per cycle: operand registers, product register, and one in the
    fabric, since the route from a DSP block to an adder alone costs most of a cycle on ECP5.

    Parameters
    ----------
    a_width, b_width : int
        Bits of the signed operands.

    Members
    -------
    a, b : In(signed)
    o : Out(signed)
        ``a_width + b_width`` bits.
    """

    LATENCY = 3

    a: Signal
    b: Signal
    o: Signal

    def __init__(self, a_width: int, b_width: int) -> None:
        self.a_width: Final = a_width
        self.b_width: Final = b_width
        super().__init__(
            {"a": In(signed(a_width)), "b": In(signed(b_width)), "o": Out(signed(a_width + b_width))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.a_width + self.b_width
        fabric = Signal(signed(width), reset_less=True)
        family = family_of(platform)
        if family is Family.ECP5:
            product = ecp5_product(m, self.a, self.b, "dsp")
        elif family is Family.ICE40:
            product = ice40_product(m, self.a, self.b, "dsp")
        else:
            left = Signal(signed(self.a_width), reset_less=True)
            right = Signal(signed(self.b_width), reset_less=True)
            product = Signal(signed(width), reset_less=True)
            m.d.sync += [left.eq(self.a), right.eq(self.b), product.eq(left * right)]
        m.d.sync += fabric.eq(product)
        m.d.comb += self.o.eq(fabric)
        return m
