"""Requantizer: one psum to the activation format."""

from typing import Final

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay
from hw.shapes import parameters_shape
from hw.wide_multiplier import WideMultiplier
from spec.arch import ArchConfig
from spec.numbers import OUTPUT_WIDTH, signed_range

__all__ = ["Requantizer"]

_COARSE: Final = 16
"""Places that the last two steps of the shift leave to the first."""
_PART: Final = 8
"""Bits above the ones kept that are compared with the sign at once."""


class Requantizer(wiring.Component):
    """Bias, multiplier, rounding shift, ReLU, zero point and saturation, as in ``spec.outputs``.

    The shift leaves one place too many, for rounding: ``((product >> (shift - 1)) + 1) >> 1``. What exceeds
    the bits that matter is clamped on the way, so that only the first step of the shift is wide.
    Latency ``LATENCY`` cycles; one psum per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``output_width`` and ``activation_width`` (bits).

    Members
    -------
    psum : In(signed(output_width))
    parameters : In(parameters_shape())
        Of its output.
    zero_point, relu : In
        Of the layer.
    code : Out(signed(activation_width))
    """

    LATENCY = 1 + WideMultiplier.LATENCY + 8

    psum: Signal
    parameters: data.View
    zero_point: Signal
    relu: Signal
    code: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "psum": In(signed(arch.output_width)),
                "parameters": In(parameters_shape()),
                "zero_point": In(signed(arch.activation_width)),
                "relu": In(1),
                "code": Out(signed(arch.activation_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = WideMultiplier()
        accumulator = Signal(signed(OUTPUT_WIDTH), reset_less=True)
        m.d.sync += accumulator.eq(self.psum + self.parameters.bias)
        m.d.comb += [
            multiplier.a.eq(accumulator),
            multiplier.b.eq(delay(m, self.parameters.multiplier, 1, "factor")),
        ]
        shift = delay(m, self.parameters.shift, 1 + WideMultiplier.LATENCY, "shift")
        shifted = self._shift(m, multiplier.o, shift)
        # One bit more: the largest number rounds up.
        width = len(shifted) + 1
        doubled, rounded, moved = (
            Signal(signed(width), name=name, reset_less=True) for name in ("doubled", "rounded", "moved")
        )
        code = Signal.like(self.code, name="saturated", reset_less=True)
        low, high = signed_range(len(code))
        m.d.comb += rounded.eq(Mux(self.relu & doubled[-1], 0, doubled >> 1))
        m.d.sync += [doubled.eq(shifted + 1), moved.eq(rounded + self.zero_point)]
        fits = _uniform(moved[len(code) - 1 :])
        m.d.sync += code.eq(Mux(fits, moved[: len(code)].as_signed(), Mux(moved[-1], low, high)))
        m.d.comb += self.code.eq(code)
        return m

    def _shift(self, m: Module, product: Value, shift: Value) -> Signal:
        """Return ``product`` >> ``shift`` five cycles later, exact unless a code saturates for sure."""
        # Two bits more than a code: the place for rounding, and what the zero point may take back.
        kept = len(self.code) + 2 + _COARSE - 1
        coarse = Signal(signed(len(product)), reset_less=True)
        m.d.sync += coarse.eq(_choose(product, shift[4:6], _COARSE))
        above = coarse[kept - 1 :]
        parts = Cat(
            _uniform(Cat(above[low : low + _PART], coarse[-1])) for low in range(0, len(above) - 1, _PART)
        )
        # Every part is compared with the sign.
        inside, near, sign = (
            delay(m, value, 1, name)
            for value, name in ((parts, "inside"), (coarse[:kept], "near"), (coarse[-1], "sign"))
        )
        clamped, fine, finest = (
            Signal(signed(kept), name=name, reset_less=True) for name in ("clamped", "fine", "finest")
        )
        shift = delay(m, shift[:4], 3, "fine_shift")
        m.d.sync += [
            clamped.eq(Mux(inside.all(), near, Cat((~sign).replicate(kept - 1), sign))),
            fine.eq(_choose(clamped, shift[2:4], 4)),
            finest.eq(_choose(fine, delay(m, shift[:2], 1, "finest_shift"), 1)),
        ]
        return finest


def _choose(number: Value, steps: Value, places: int) -> Value:
    """Return the signed ``number`` shifted right by ``steps`` (0 to 3) times ``places``."""
    chosen: Value = Array(number.as_signed() >> step * places for step in range(4))[steps]
    return chosen


def _uniform(bits: Value) -> Value:
    """Whether all ``bits`` are the same."""
    same: Value = bits.all() | ~bits.any()
    return same
