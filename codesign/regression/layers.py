"""Layers and activations of random content, and ones that go to the limits."""

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.numbers import signed_range
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index
from sw.quantize import scale_values

__all__ = ["limit_layer", "random_activations", "random_layer"]


def random_layer(
    rng: np.random.Generator,
    arch: ArchConfig,
    shape: tuple[int, int],
    direction: Direction,
    density: float,
    *,
    name: str = "layer",
    extreme: bool = False,
) -> QuantizedLayer:
    """A layer with a random mask of single weights in half its groups, or all -128 if ``extreme``."""
    rows, cols = shape
    low, high = signed_range(arch.weight_width)
    blocking = Blocking(rows, cols, direction, arch)
    groups = np.repeat(rng.random(blocking.shape[:3])[..., None] < density, arch.lanes, axis=-1)
    fine = rng.random(blocking.shape) < 0.5
    order = rng.permutation(blocking.permuted) if rng.random() < 0.7 else np.arange(blocking.permuted)
    mask = np.empty(shape, np.bool_)
    mask[grouped_index(direction, order)] = blocking.join(groups & (fine | (rng.random() < 0.5)))
    weights = rng.integers(low, high + 1, shape, dtype=np.int8)
    if extreme:
        weights[:] = low
    scales = scale_values(rng.integers(-300, -44, rows))
    return QuantizedLayer(name, np.where(mask, weights, 0).astype(np.int8), mask, direction, order, scales)


def limit_layer(arch: ArchConfig, direction: Direction) -> tuple[QuantizedLayer, NDArray[np.int64]]:
    """A dense layer, and activations that take its psums to both ends of ``psum_width`` exactly.

    Weights of even outputs add up to 2^(p - a), for psum width p and activation width a: the lowest
    activations make them -2^(p - 1). Those of odd outputs are a single 1, and negative ones that add up
    to 1 - 2^(p - a): the lowest activations, but the highest at the 1, make them 2^(p - 1) - 1.
    """
    low, high = signed_range(arch.activation_width)
    total = 1 << (arch.psum_width - arch.activation_width)
    # Every weight may be changed by one without leaving its width.
    cols = 1 + -(-total // max(signed_range(arch.weight_width)[1] - 1, 1))
    weights = np.ones((arch.segment + 1, cols), np.int8)
    weights[0::2] = _spread(total, cols)
    weights[1::2, 1:] = -_spread(total - 1, cols - 1)
    activations = np.full((cols, 2 * arch.tokens + 1), low)
    activations[0, 1::2] = high
    order = np.arange(weights.shape[0] if direction is Direction.VERTICAL else cols)
    mask, scales = np.ones(weights.shape, np.bool_), np.ones(len(weights), np.float32)
    return QuantizedLayer("limit", weights, mask, direction, order, scales), activations


def _spread(total: int, count: int) -> NDArray[np.int64]:
    """Return ``count`` numbers that add up to ``total`` and differ by at most one."""
    return total // count + (np.arange(count) < total % count)


def random_activations(
    rng: np.random.Generator, arch: ArchConfig, layer: QuantizedLayer, tokens: int
) -> NDArray[np.int64]:
    """K x ``tokens`` integers of the architecture's width, some columns at the minimum."""
    low, high = signed_range(arch.activation_width)
    activations = rng.integers(low, high + 1, (layer.cols, tokens))
    activations[:, rng.random(tokens) < 0.2] = low
    return activations
