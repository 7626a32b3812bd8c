"""Integers from floats: symmetric, per output for weights; for activations a scale in all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError
from spec.numbers import signed_range
from spec.scale import MAX_BASE, MAX_CODE, MAX_SMOOTHING, MIN_BASE, STEPS_PER_OCTAVE, scale_value

__all__ = [
    "check_smoothing",
    "integer_limit",
    "quantize_activations",
    "quantize_rows",
    "scale_codes",
    "scale_values",
]


def quantize_rows(weight: NDArray[np.floating], width: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers and one scale per output, so that ``integers * scales[:, None]`` is near ``weight``.

    A scale is one of ``spec.scale``, rounded up so that no weight clips; a row of zeros has the smallest.

    Parameters
    ----------
    weight : array, shape (M, K)
    width : int
        Bits of a signed weight, 2 to 8.

    Returns
    -------
    array of int8, shape (M, K)
        From -(2^(width-1) - 1) to 2^(width-1) - 1.
    array of float32, shape (M,)

    Raises
    ------
    ConfigError
        If a weight is not finite or too large for a scale.
    """
    limit = integer_limit(width)
    exact = weight.astype(np.float64)
    _check_finite(exact, "weight")
    steps = _steps_up(np.abs(exact).max(axis=1, initial=0.0) / limit)
    base = int(steps.max(initial=MIN_BASE))
    if base > MAX_BASE:
        raise ConfigError(
            f"weights must have float32 scales, but {np.abs(exact).max():g} is too large; rescale"
        )
    scales = scale_values(np.maximum(steps, base - MAX_CODE))
    return np.rint(exact / scales[:, None]).astype(np.int8), scales


def scale_values(steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``spec.scale.scale_value`` of every element."""
    distinct, place = np.unique(steps, return_inverse=True)
    return np.array([scale_value(int(step)) for step in distinct], np.float32)[place]


def scale_codes(scales: NDArray[np.float32]) -> tuple[int, NDArray[np.uint8]] | None:
    """Return base and codes of ``scales``, or None if some scale has none (see ``spec.scale``)."""
    if not scales.size or not np.isfinite(scales).all() or float(scales.min()) <= 0:
        return None
    steps = np.rint(np.log2(scales.astype(np.float64)) * STEPS_PER_OCTAVE).astype(np.int64)
    base = int(steps.max())
    codes = base - steps
    if not MIN_BASE <= base <= MAX_BASE or int(codes.max()) > MAX_CODE:
        return None
    return (base, codes.astype(np.uint8)) if np.array_equal(scale_values(steps), scales) else None


def _steps_up(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Smallest steps whose scales are at least ``values``; the least base where a value is 0."""
    with np.errstate(divide="ignore"):
        exact = np.log2(values) * STEPS_PER_OCTAVE
    steps: NDArray[np.int64] = np.maximum(np.ceil(exact), MIN_BASE).astype(np.int64)
    inside = np.clip(steps, MIN_BASE, MAX_BASE)
    # The float32 mantissa of a step may lie just below the value that the logarithm found it for.
    steps += (inside == steps) & (scale_values(inside) < values)
    lower = np.clip(steps - 1, MIN_BASE, MAX_BASE)
    steps -= (lower == steps - 1) & (scale_values(lower) >= values)
    return steps


def quantize_activations(x: NDArray[np.floating], width: int) -> tuple[NDArray[np.int8], float]:
    """Return integers and one float32 scale, so that ``integers * scale`` is near ``x``.

    Parameters
    ----------
    x : array, shape (K, N)
    width : int
        Bits of a signed activation, 2 to 8.

    Returns
    -------
    array of int8, shape (K, N)
        From -(2^(width-1) - 1) to 2^(width-1) - 1.
    float
        1 if every activation is 0.

    Raises
    ------
    ConfigError
        If an activation is not finite.
    """
    limit = integer_limit(width)
    exact = x.astype(np.float64)
    _check_finite(exact, "activation")
    largest = float(np.abs(exact).max(initial=0.0))
    scale = float(_round_up_float32(np.float64(largest / limit))) if largest > 0 else 1.0
    return np.rint(exact / scale).astype(np.int8), scale


def _round_up_float32(values: NDArray[np.float64] | np.float64) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        single = np.asarray(values).astype(np.float32)
        above = np.nextafter(single, np.float32(np.inf), dtype=np.float32)
    return np.where(single < values, above, single)


def integer_limit(width: int) -> int:
    """Return the largest magnitude of a symmetric integer of ``width`` bits.

    Raises
    ------
    ConfigError
        If ``width`` is not from 2 to 8.
    """
    if not 2 <= width <= 8:
        raise ConfigError(f"width must be from 2 to 8 bits, not {width}")
    return signed_range(width)[1]


def check_smoothing(exponents: NDArray[Any], cols: int, what: str) -> None:
    """Refuse what are no smoothing exponents of ``cols`` inputs.

    Raises
    ------
    ConfigError
        If type, shape or a value is wrong.
    """
    if exponents.dtype != np.int8 or exponents.shape != (cols,):
        raise ConfigError(
            f"the smoothing of {what} must be {cols} int8 exponents, not {exponents.dtype} of shape "
            f"{exponents.shape}"
        )
    largest = int(np.abs(exponents.astype(np.int64)).max(initial=0))
    if largest > MAX_SMOOTHING:
        raise ConfigError(
            f"the smoothing of {what} must have exponents up to +-{MAX_SMOOTHING}, not {largest}; "
            f"calibrate it"
        )


def _check_finite(values: NDArray[np.float64], what: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise ConfigError(f"every {what} must be finite, but {bad} of {values.size} are NaN or infinite")
