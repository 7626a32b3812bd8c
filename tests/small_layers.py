"""Random small architectures and layers that force padding, chunks, passes and splits."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.numbers import signed_range
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index
from sw.quantize import scale_values

__all__ = ["limit_layer", "random_activations", "random_layer", "small_archs", "small_layers", "stored_mask"]


@st.composite
def small_archs(draw: st.DrawFn) -> ArchConfig:
    """Any legal shape, with memories mostly far too small for a layer."""
    lanes = draw(st.sampled_from([1, 2, 4]))
    groups = draw(st.sampled_from([1, 2, 4, 8, 16]))
    stream_width = draw(st.sampled_from([64, 128, 256]))
    return ArchConfig(
        clusters=draw(st.integers(1, 4)),
        lanes=lanes,
        tokens=draw(st.integers(1, 5)),
        segment=lanes * groups,
        weight_width=draw(st.integers(2, 8)),
        activation_width=draw(st.sampled_from([2, 4, 8])),
        advance_width=draw(st.integers(1, 4)),
        psum_width=draw(st.integers(21, 32)),
        stream_width=stream_width,
        activation_depth=max(2, groups) * draw(st.sampled_from([1, 2, 8])),
        value_depth=max(draw(st.sampled_from([128, 256, 4096])), stream_width // lanes),
        record_depth=draw(st.sampled_from([2, 8, 256])),
        block_depth=draw(st.sampled_from([2, 4, 64])),
        split_slots=draw(st.sampled_from([1, 2, 4])),
    )


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


@st.composite
def small_layers(draw: st.DrawFn, arch: ArchConfig, name: str = "layer") -> QuantizedLayer:
    """Any shape from 1 x 1 up, any density from nothing to everything, both directions."""
    size = st.one_of(st.sampled_from([1, 31, 37]), st.integers(1, 48))
    return random_layer(
        np.random.default_rng(draw(st.integers(0, 1 << 32))),
        arch,
        (draw(size), draw(size)),
        draw(st.sampled_from(Direction)),
        draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0])),
        name=name,
        extreme=draw(st.booleans()),
    )


def random_activations(
    rng: np.random.Generator, arch: ArchConfig, layer: QuantizedLayer, tokens: int
) -> NDArray[np.int64]:
    """K x ``tokens`` integers of the architecture's width, some columns at the minimum."""
    low, high = signed_range(arch.activation_width)
    activations = rng.integers(low, high + 1, (layer.cols, tokens))
    activations[:, rng.random(tokens) < 0.2] = low
    return activations


def stored_mask(layer: QuantizedLayer, arch: ArchConfig) -> NDArray[np.bool_]:
    """The layer's mask widened to whole groups, which is what a file can say."""
    blocking = Blocking(layer.rows, layer.cols, layer.direction, arch)
    index = grouped_index(layer.direction, layer.order)
    split = blocking.split(np.asarray(layer.mask[index]))
    stored = np.empty_like(layer.mask)
    stored[index] = blocking.join(np.broadcast_to(split.any(axis=-1, keepdims=True), split.shape))
    return stored
