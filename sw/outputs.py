"""Output parameters: from real scales to integers, and the integer arithmetic that they mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError
from spec.numbers import OUTPUT_WIDTH, signed_range
from spec.outputs import MAX_SHIFT, MULTIPLIER_WIDTH

__all__ = ["OutputParameters", "fixed_point", "output_parameters", "requantize", "tabulate"]


@dataclass(frozen=True, eq=False)
class OutputParameters:
    """What turns the psums of a layer into codes; see ``spec.outputs``.

    Parameters
    ----------
    bias : ndarray of int64, shape (M,)
        In units of a psum; original order, as all that follow.
    multiplier, shift : ndarray of int64, shape (M,)
        The scale of a psum in units of a code is ``multiplier * 2.0 ** -shift``.
    zero_point : int
        The code of 0.
    relu : bool
    table : ndarray of int8, shape (2^width,), optional
        Entry ``code`` modulo 2^width is the answer for ``code``.

    Raises
    ------
    ConfigError
        If shapes, types or values do not fit together.
    """

    bias: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zero_point: int = 0
    relu: bool = False
    table: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        limits = {
            "bias": signed_range(OUTPUT_WIDTH),
            "multiplier": (0, (1 << MULTIPLIER_WIDTH) - 1),
            "shift": (1, MAX_SHIFT),
        }
        for name, (low, high) in limits.items():
            values: NDArray[np.int64] = getattr(self, name)
            if values.shape != self.bias.shape or values.ndim != 1 or values.dtype != np.int64:
                raise ConfigError(
                    f"output parameter `{name}` must be one int64 number per output, not {values.dtype} of "
                    f"shape {values.shape}"
                )
            if values.size and not low <= int(values.min()) <= int(values.max()) <= high:
                raise ConfigError(
                    f"output parameter `{name}` must lie in {low} to {high}, not {int(values.min())} to "
                    f"{int(values.max())}"
                )

    def check(self, outputs: int, width: int, name: str) -> None:
        """Refuse parameters that are not those of ``outputs`` outputs of ``width`` bits.

        Raises
        ------
        ConfigError
            Names the layer and what does not fit.
        """
        low, high = signed_range(width)
        if len(self.bias) != outputs:
            raise ConfigError(
                f"layer {name} has {outputs} outputs, but output parameters for {len(self.bias)}"
            )
        if not low <= self.zero_point <= high:
            raise ConfigError(
                f"layer {name} has a zero point of {self.zero_point}, which must lie in {low} to {high}"
            )
        if self.table is None:
            return
        if self.table.shape != (1 << width,) or self.table.dtype != np.int8:
            raise ConfigError(
                f"layer {name} needs a table of {1 << width} int8 entries, one per code of {width} bits, not "
                f"{self.table.dtype} of shape {self.table.shape}"
            )
        if not low <= int(self.table.min()) <= int(self.table.max()) <= high:
            raise ConfigError(f"layer {name} has a table with entries outside {low} to {high}")


def requantize(psums: NDArray[Any], parameters: OutputParameters, width: int) -> NDArray[np.int8]:
    """Return the codes of ``psums`` (M x N integers); the arithmetic is that of ``spec.outputs``, exact.

    Raises
    ------
    ConfigError
        If psum and bias together exceed 32 bits.
    """
    accumulators = psums.astype(np.int64) + parameters.bias[:, None]
    least, most = signed_range(OUTPUT_WIDTH)
    if accumulators.size and not least <= int(accumulators.min()) <= int(accumulators.max()) <= most:
        raise ConfigError(f"a psum and its bias exceed {OUTPUT_WIDTH} bits; make the bias smaller")
    shift = parameters.shift[:, None]
    # The product has 63 bits and half of the last place at most 62, so the sum fits.
    half = np.left_shift(np.int64(1), shift - 1)
    rounded = accumulators * parameters.multiplier[:, None] + half >> shift
    low, high = signed_range(width)
    floor = parameters.zero_point if parameters.relu else low
    codes: NDArray[np.int64] = np.clip(rounded + parameters.zero_point, floor, high)
    if parameters.table is not None:
        codes = parameters.table[codes & ((1 << width) - 1)].astype(np.int64)
    return codes.astype(np.int8)


def fixed_point(scale: float) -> tuple[int, int]:
    """Return multiplier and shift, so that ``multiplier * 2.0 ** -shift`` is nearest to ``scale``.

    The multiplier has all its 31 bits, which leaves a relative error of at most 2^-31, unless ``scale`` is
    below 2^-33: no psum then reaches a quarter of a code.

    Raises
    ------
    ConfigError
        If ``scale`` is not from 0 up to below 2^29.
    """
    if not 0 <= scale < 2.0**29:
        raise ConfigError(f"the scale of an output must be from 0 up to below 2^29 codes, not {scale:g}")
    exponent = max(math.frexp(scale)[1], MULTIPLIER_WIDTH - MAX_SHIFT)
    multiplier = round(math.ldexp(scale, MULTIPLIER_WIDTH - exponent))
    if multiplier >> MULTIPLIER_WIDTH:
        multiplier, exponent = multiplier >> 1, exponent + 1
    return multiplier, MULTIPLIER_WIDTH - exponent


def output_parameters(
    scales: NDArray[np.floating],
    output_scale: float,
    *,
    bias: NDArray[np.floating] | None = None,
    zero_point: int = 0,
    relu: bool = False,
    table: NDArray[np.int8] | None = None,
) -> OutputParameters:
    """Return the parameters that make codes of ``output_scale`` from psums.

    Parameters
    ----------
    scales : ndarray, shape (M,)
        What a psum of 1 stands for: the scale of the output's weights times that of the activations.
    output_scale : float
        What a code of 1 more stands for.
    bias : ndarray, shape (M,), optional
        Real numbers; each rounds to a whole psum.
    zero_point, relu, table
        As in ``OutputParameters``.

    Raises
    ------
    ConfigError
        If a scale is not positive or too large, or a bias exceeds 32 bits.
    """
    exact = scales.astype(np.float64)
    if not (np.isfinite(exact).all() and exact.min(initial=1.0) > 0 and 0 < output_scale < math.inf):
        raise ConfigError("scales of psums and of outputs must be positive numbers; calibrate them")
    pairs = [fixed_point(float(scale)) for scale in exact / output_scale]
    whole = np.zeros(len(exact)) if bias is None else np.rint(bias.astype(np.float64) / exact)
    if not np.isfinite(whole).all() or float(np.abs(whole).max(initial=0.0)) >= 2.0 ** (OUTPUT_WIDTH - 1):
        raise ConfigError(f"a bias exceeds {OUTPUT_WIDTH} bits in units of its psum; check the scales")
    return OutputParameters(
        bias=whole.astype(np.int64),
        multiplier=np.array([multiplier for multiplier, _ in pairs], np.int64),
        shift=np.array([shift for _, shift in pairs], np.int64),
        zero_point=zero_point,
        relu=relu,
        table=table,
    )


def tabulate(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    scale: float,
    zero_point: int,
    output_scale: float,
    output_zero_point: int = 0,
    width: int = 8,
) -> NDArray[np.int8]:
    """Return the table of ``function`` on real numbers, rounded to the nearest code and saturated.

    Parameters
    ----------
    function : callable
        Elementwise.
    scale, zero_point : float, int
        Of the codes that are looked up.
    output_scale, output_zero_point : float, int
        Of the entries.
    width : int
        Bits of a code.
    """
    low, high = signed_range(width)
    codes = np.arange(1 << width)
    codes = np.where(codes > high, codes - (1 << width), codes)
    values = function((codes - zero_point) * np.float64(scale)) / output_scale
    if not np.isfinite(values).all():
        raise ConfigError("a table's function must be finite for every code")
    table: NDArray[np.int8] = np.clip(np.rint(values) + output_zero_point, low, high).astype(np.int8)
    return table
