"""Proof that no activations make a psum or an output of a layer overflow."""

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.numbers import OUTPUT_WIDTH, signed_range, signed_width

__all__ = ["check_accumulators", "check_outputs", "check_psums", "psum_range"]


def psum_range(weights: NDArray[np.int8], chunk_inputs: int, activation_width: int) -> tuple[int, int]:
    """Return the smallest and the largest psum that any activations can make.

    That is over all outputs, in any chunk of ``chunk_inputs`` inputs. As activations may be 0, a sum of
    some of the products, of a part of a block or on the way to a psum, lies inside too.

    Parameters
    ----------
    weights : ndarray of int8, shape (M, K)
        Inputs in grouped order.
    chunk_inputs : int
    activation_width : int
        Bits of a signed activation.
    """
    smallest = largest = 0
    for start in range(0, weights.shape[1], chunk_inputs):
        least, most = _ranges(weights[:, start : start + chunk_inputs], activation_width)
        smallest, largest = min(smallest, int(least.min())), max(largest, int(most.max()))
    return smallest, largest


def _ranges(weights: NDArray[np.int8], activation_width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest and the largest sum of every output."""
    low, high = signed_range(activation_width)
    total = weights.sum(axis=1, dtype=np.int64)
    magnitude = np.abs(weights.astype(np.int16)).sum(axis=1, dtype=np.int64)
    positive, negative = (magnitude + total) // 2, (magnitude - total) // 2
    return low * positive - high * negative, high * positive - low * negative


def check_psums(weights: NDArray[np.int8], chunk_inputs: int, arch: ArchConfig, name: str) -> None:
    """Refuse a layer if some activations could make a psum overflow; see ``psum_range``.

    Raises
    ------
    ConfigError
        Names the layer, the bits that it takes and the parameter to raise.
    """
    for psum in psum_range(weights, chunk_inputs, arch.activation_width):
        width = signed_width(psum)
        if width > arch.psum_width:
            raise ConfigError(
                f"layer {name} can reach a psum of {psum}, which takes {width} bits; raise `psum_width` "
                f"from {arch.psum_width}"
            )


def check_outputs(weights: NDArray[np.int8], arch: ArchConfig, name: str) -> None:
    """Refuse a layer if some activations could make an output, the sum of all chunks, overflow.

    Raises
    ------
    ConfigError
        Names the layer and the way out.
    """
    for output in psum_range(weights, weights.shape[1], arch.activation_width):
        width = signed_width(output)
        if width > OUTPUT_WIDTH:
            raise ConfigError(
                f"layer {name} can reach an output of {output}, which takes {width} bits, more than its "
                f"{OUTPUT_WIDTH}; split its inputs over two layers"
            )


def check_accumulators(
    weights: NDArray[np.int8], bias: NDArray[np.int64], arch: ArchConfig, name: str
) -> None:
    """Refuse a layer if some activations could make an output and its bias overflow; see ``psum_range``.

    Raises
    ------
    ConfigError
        Names the layer and the way out.
    """
    least, most = _ranges(weights, arch.activation_width)
    for accumulator in (int((least + bias).min()), int((most + bias).max())):
        width = signed_width(accumulator)
        if width > OUTPUT_WIDTH:
            raise ConfigError(
                f"layer {name} can reach {accumulator} with its bias, which takes {width} bits, more than "
                f"{OUTPUT_WIDTH}; give it a smaller bias"
            )
