"""The multiplier of a requantized output: wider than a DSP block."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.multiplier import Multiplier
from hw.pipeline import delay
from spec.numbers import OUTPUT_WIDTH
from spec.outputs import MULTIPLIER_WIDTH

__all__ = ["WideMultiplier"]

_HALF: Final = 16


class WideMultiplier(wiring.Component):
    """Signed number of 32 bits times an unsigned one of 31, exactly.

    Four products of halves, which go to DSP blocks, then two additions. Latency ``LATENCY`` cycles; one
    product per cycle.

    Members
    -------
    a : In(signed(32))
    b : In(31)
    o : Out(signed(63))
    """

    LATENCY = Multiplier.LATENCY + 2
    WIDTH = OUTPUT_WIDTH + MULTIPLIER_WIDTH
    PRODUCTS = 4

    a: Signal
    b: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(signed(OUTPUT_WIDTH)),
                "b": In(unsigned(MULTIPLIER_WIDTH)),
                "o": Out(signed(self.WIDTH)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        positive = Const(0, 1)
        a_low, a_high = Cat(self.a[:_HALF], positive), self.a[_HALF:]
        b_low, b_high = Cat(self.b[:_HALF], positive), Cat(self.b[_HALF:], positive)
        low = self._product(m, a_low, b_low, "low")
        across = self._product(m, a_high, b_low, "across")
        up = self._product(m, a_low, b_high, "up")
        high = self._product(m, a_high, b_high, "high")
        middle = Signal(signed(max(len(across), len(up)) + 1), reset_less=True)
        outer = delay(m, Cat(low[: 2 * _HALF], high)[: self.WIDTH], 1, "outer")
        upper = Signal(signed(self.WIDTH - _HALF), reset_less=True)
        m.d.sync += [middle.eq(across + up), upper.eq(outer[_HALF:].as_signed() + middle)]
        m.d.comb += self.o.eq(Cat(delay(m, outer[:_HALF], 1, "lowest"), upper))
        return m

    def _product(self, m: Module, a: Value, b: Value, name: str) -> Signal:
        """Return the product of two signed numbers, ``Multiplier.LATENCY`` cycles later."""
        m.submodules[name] = multiplier = Multiplier(len(a), len(b))
        m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(b)]
        return multiplier.o
