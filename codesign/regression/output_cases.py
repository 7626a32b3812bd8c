"""Layers with output parameters of every kind, for architectures with an output stage."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codesign.regression.layers import random_activations, random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.numbers import OUTPUT_WIDTH, signed_range
from spec.outputs import MAX_SHIFT, MULTIPLIER_WIDTH
from sw.layer import QuantizedLayer
from sw.outputs import OutputParameters

__all__ = ["OUTPUT_ARCHS", "Case", "output_cases", "random_outputs", "with_outputs"]

Case = tuple[str, QuantizedLayer, NDArray[np.int64]]

OUTPUT_ARCHS = {
    # A word of psums is one row of lanes, an entry takes two words.
    "tiny": ArchConfig(clusters=1, lanes=2, tokens=2, output_blocks=8),
    # A word is half a row of lanes; blocks are split over clusters.
    "three_clusters": ArchConfig(clusters=3, lanes=4, tokens=3, value_depth=256, output_blocks=4),
    # A word holds four tokens of two lanes, which lie in two group rows; two entries to a word.
    "wide": ArchConfig(
        clusters=2,
        lanes=2,
        tokens=3,
        segment=8,
        activation_width=4,
        stream_width=256,
        value_depth=256,
        output_blocks=16,
    ),
    # Psums of 16 bits: a word of codes is filled by two or four words, of one token each time.
    "psums_16": ArchConfig(
        clusters=2,
        lanes=4,
        tokens=4,
        segment=16,
        weight_width=4,
        activation_width=4,
        psum_width=16,
        stream_width=128,
        block_depth=2,
        output_blocks=8,
    ),
    # A block is less than a word of psums, and far less than a word of codes.
    "one_pe": ArchConfig(clusters=1, lanes=1, tokens=1, segment=1, activation_width=2, output_blocks=64),
}
"""Every way in which words of psums may meet lanes, tokens and group rows."""


def random_outputs(
    rng: np.random.Generator, weights: NDArray[np.int8], width: int, *, relu: bool, table: bool
) -> OutputParameters:
    """Return parameters that mostly spread codes over their range, and some at every limit."""
    outputs = len(weights)
    low, high = signed_range(width)
    least, most = signed_range(OUTPUT_WIDTH)
    norm = np.sqrt((weights.astype(np.float64) ** 2).sum(axis=1)) * (1 << width) / 4 + 1
    exponent = np.ceil(np.log2(norm)).astype(np.int64) - width + 1 + rng.integers(-2, 3, outputs)
    shift = np.clip(MULTIPLIER_WIDTH + exponent, 1, MAX_SHIFT)
    multiplier = rng.integers(1 << (MULTIPLIER_WIDTH - 1), 1 << MULTIPLIER_WIDTH, outputs)
    bias = rng.integers(-norm.astype(np.int64), norm.astype(np.int64) + 1)
    # What the bias may be at most, whatever the activations are.
    reach = np.abs(weights.astype(np.int64)).sum(axis=1) << (width - 1)
    for place in np.flatnonzero(rng.random(outputs) < 0.4):
        match int(rng.integers(7)):
            case 0:
                bias[place] = most - reach[place]
            case 1:
                bias[place] = least + reach[place]
            case 2:
                shift[place] = rng.choice([1, 2, MAX_SHIFT - 1, MAX_SHIFT])
            case 3:
                multiplier[place] = rng.choice([0, 1, (1 << MULTIPLIER_WIDTH) - 1])
            case 4:
                # Every odd accumulator is a tie.
                multiplier[place], shift[place] = 1, 1
            case 5:
                multiplier[place] = 1 << (MULTIPLIER_WIDTH - 1)
            case _:
                bias[place], shift[place] = most - reach[place], 60
    entries = rng.integers(low, high + 1, 1 << width).astype(np.int8) if table else None
    return OutputParameters(bias, multiplier, shift, int(rng.integers(low, high + 1)), relu, entries)


def with_outputs(
    rng: np.random.Generator,
    layer: QuantizedLayer,
    arch: ArchConfig,
    *,
    relu: bool = False,
    table: bool = False,
) -> QuantizedLayer:
    """Return ``layer`` with random output parameters."""
    its = random_outputs(rng, layer.weights, arch.activation_width, relu=relu, table=table)
    return replace(layer, outputs=its)


def output_cases(arch: ArchConfig, seed: int) -> list[Case]:
    """Requantized layers of every mode in both directions, raw ones between them."""
    rng, size, tokens = np.random.default_rng(seed), arch.segment, arch.tokens
    rows, cols = min(arch.output_blocks * size, 70), 61 if arch.psum_width > 16 else 40
    shapes = [
        (rows, cols),
        (1, 1),
        (min(2 * size + 1, rows), 23),
        (rows - rows // 3, 17),
        (min(47, rows), cols),
    ]
    cases: list[Case] = []
    for number, (relu, table) in enumerate([(False, False), (True, False), (False, True), (True, True)] * 3):
        direction, shape = Direction((number + number // 4) % 2), shapes[number % len(shapes)]
        density = float(rng.choice([0.1, 0.5, 0.9]))
        layer = random_layer(rng, arch, shape, direction, density)
        activations = random_activations(rng, arch, layer, int(rng.integers(1, 3 * tokens + 2)))
        activations[rng.random(layer.cols) < 0.2] = 0
        name = f"{number}: {shape}, {direction.label}, {relu=}, {table=}"
        if number % 3 == 2:
            cases.append((f"{name}, raw before", layer, activations))
        cases.append((name, with_outputs(rng, layer, arch, relu=relu, table=table), activations))
    return cases
