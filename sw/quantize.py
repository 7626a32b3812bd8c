"""Integers from floats: symmetric, per output for weights, per tensor for activations."""

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError
from spec.numbers import signed_range

__all__ = ["quantize_activations", "quantize_rows", "round_up_bfloat16"]


def quantize_rows(weight: NDArray[np.floating], width: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers and one scale per output, so that ``integers * scales[:, None]`` is near ``weight``.

    A scale is a bfloat16 number, rounded up so that no weight clips; a row of zeros has scale 1.

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
        If a weight is not finite or too large for a bfloat16 scale.
    """
    limit = _limit(width)
    exact = weight.astype(np.float64)
    _check_finite(exact, "weight")
    largest = np.abs(exact).max(axis=1, initial=0.0)
    scales = round_up_bfloat16(np.where(largest > 0, largest / limit, 1.0))
    if not np.isfinite(scales).all():
        raise ConfigError(f"weights must have bfloat16 scales, but {largest.max():g} is too large; rescale")
    return np.rint(exact / scales[:, None]).astype(np.int8), scales


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
    limit = _limit(width)
    exact = x.astype(np.float64)
    _check_finite(exact, "activation")
    largest = float(np.abs(exact).max(initial=0.0))
    scale = float(_round_up_float32(np.float64(largest / limit))) if largest > 0 else 1.0
    return np.rint(exact / scale).astype(np.int8), scale


def round_up_bfloat16(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the smallest bfloat16 numbers, as float32, that are at least the positive ``values``."""
    single = _round_up_float32(values)
    bits = np.atleast_1d(single).view(np.uint32).astype(np.uint64)
    # A positive float's order is that of its bits: carry any bit that bfloat16 lacks into it.
    raised = (bits + 0xFFFF) & 0xFFFF0000
    return raised.astype(np.uint32).view(np.float32).reshape(values.shape)


def _round_up_float32(values: NDArray[np.float64] | np.float64) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        single = np.asarray(values).astype(np.float32)
        above = np.nextafter(single, np.float32(np.inf), dtype=np.float32)
    return np.where(single < values, above, single)


def _limit(width: int) -> int:
    if not 2 <= width <= 8:
        raise ConfigError(f"width must be from 2 to 8 bits, not {width}")
    return signed_range(width)[1]


def _check_finite(values: NDArray[np.float64], what: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise ConfigError(f"every {what} must be finite, but {bad} of {values.size} are NaN or infinite")
