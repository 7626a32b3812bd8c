"""Strategies: small architectures and layers that force padding, chunks, passes and splits."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign.regression.layers import random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index

__all__ = ["small_archs", "small_layers", "smoothed", "stored_mask"]


@st.composite
def small_archs(draw: st.DrawFn) -> ArchConfig:
    """Any legal shape, with memories mostly far too small for a layer."""
    lanes = draw(st.sampled_from([1, 2, 4]))
    groups = draw(st.sampled_from([1, 2, 4, 8, 16]))
    stream_width = draw(st.sampled_from([32, 64, 128, 256]))
    clusters = 1 if stream_width == 32 else draw(st.integers(1, 4))
    slots = [0] if stream_width == 32 else [0, 2] if clusters == 1 else [1, 2, 4]
    return ArchConfig(
        clusters=clusters,
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
        split_slots=draw(st.sampled_from(slots)),
    )


@st.composite
def small_layers(draw: st.DrawFn, arch: ArchConfig, name: str = "layer") -> QuantizedLayer:
    """Any shape from 1 x 1 up, any density from nothing to everything, both directions."""
    size = st.one_of(st.sampled_from([1, 31, 37]), st.integers(1, 48))
    layer = random_layer(
        np.random.default_rng(draw(st.integers(0, 1 << 32))),
        arch,
        (draw(size), draw(size)),
        draw(st.sampled_from(Direction)),
        draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0])),
        name=name,
        extreme=draw(st.booleans()),
    )
    return smoothed(layer) if draw(st.booleans()) else layer


def smoothed(layer: QuantizedLayer) -> QuantizedLayer:
    """The layer with some smoothing, which the accelerator knows nothing of."""
    exponents = np.random.default_rng(layer.cols).integers(-30, 31, layer.cols, np.int8)
    return replace(layer, smoothing=exponents)


def stored_mask(layer: QuantizedLayer, arch: ArchConfig) -> NDArray[np.bool_]:
    """The layer's mask widened to whole groups, which is what a file can say."""
    blocking = Blocking(layer.rows, layer.cols, layer.direction, arch)
    index = grouped_index(layer.direction, layer.order)
    split = blocking.split(np.asarray(layer.mask[index]))
    stored = np.empty_like(layer.mask)
    stored[index] = blocking.join(np.broadcast_to(split.any(axis=-1, keepdims=True), split.shape))
    return stored
