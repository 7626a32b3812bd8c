"""The multipliers of one column and the sum of their products."""

from collections.abc import Sequence
from typing import Final

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5 import ecp5_sum
from hw.family import Family, family_of
from hw.multiplier import Multiplier
from hw.pipeline import delay
from spec.arch import ArchConfig

__all__ = ["ProductTree"]


class ProductTree(wiring.Component):
    """Multiply lane by lane, and add the products up; give out the one or the other.

    Latency ``latency(arch)`` cycles; one beat per cycle. With one lane both are given out: they are the same.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``lanes``, ``weight_width``, ``activation_width`` (bits).

    Members
    -------
    horizontal : In(1)
        Give out the sum, and products of 0; else the products, and a sum of 0. Does not change while beats
        are under way.
    activations, weights : In(ArrayLayout)
        One signed operand per lane.
    products : Out(ArrayLayout)
        One signed number per lane.
    sum : Out(signed)
        Of the same products.
    """

    horizontal: Signal
    activations: data.View
    weights: data.View
    products: data.View
    sum: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "horizontal": In(1),
                "activations": In(data.ArrayLayout(signed(arch.activation_width), arch.lanes)),
                "weights": In(data.ArrayLayout(signed(arch.weight_width), arch.lanes)),
                "products": Out(data.ArrayLayout(signed(self.product_width(arch)), arch.lanes)),
                "sum": Out(signed(self.sum_width(arch))),
            }
        )

    @staticmethod
    def product_width(arch: ArchConfig) -> int:
        """Bits of a product."""
        return arch.weight_width + arch.activation_width

    @classmethod
    def sum_width(cls, arch: ArchConfig) -> int:
        """Bits of the sum of L products."""
        return cls.product_width(arch) + arch.lanes.bit_length() - 1

    @staticmethod
    def latency(arch: ArchConfig) -> int:
        """Cycles through multiplier and adder levels."""
        return Multiplier.LATENCY + arch.lanes.bit_length() - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        products: list[Value] = []
        for lane in range(arch.lanes):
            multiplier = Multiplier(arch.activation_width, arch.weight_width)
            m.submodules[f"multiplier_{lane}"] = multiplier
            m.d.comb += [multiplier.a.eq(self.activations[lane]), multiplier.b.eq(self.weights[lane])]
            products.append(multiplier.o)
        m.d.comb += self.sum.eq(self._sum(m, products, platform))
        for lane, product in enumerate(products):
            m.d.comb += self.products[lane].eq(self._aligned(m, product, f"product_{lane}"))
        return m

    def _sum(self, m: Module, products: Sequence[Value], platform: object) -> Value:
        """Return the sum, or 0, a cycle per level of adders later."""
        level, sums = 0, products
        while len(sums) > 1:
            level, halves = level + 1, []
            for n in range(0, len(sums), 2):
                name = f"sum_{level}_{n // 2}"
                half = Signal(signed(len(sums[n]) + 1), name=name, reset_less=True)
                total = _add(m, sums[n], sums[n + 1], f"{name}_adder", platform)
                m.d.sync += half.eq(total if len(sums) > 2 else Mux(self.horizontal, total, 0))
                halves.append(half)
            sums = halves
        return sums[0]

    def _aligned(self, m: Module, product: Value, name: str) -> Value:
        """Return a product, or 0, together with the sum."""
        levels = self.latency(self.arch) - Multiplier.LATENCY
        if not levels:
            return product
        before = delay(m, product, levels - 1, name)
        register = Signal(product.shape(), name=f"{name}_{levels}", reset_less=True)
        m.d.sync += register.eq(Mux(self.horizontal, 0, before))
        return register


def _add(m: Module, left: Value, right: Value, name: str, platform: object) -> Value:
    """Return the sum of two signed numbers, a bit wider than each."""
    if family_of(platform) is Family.ECP5:
        return ecp5_sum(m, left, right, name)
    return left + right
