"""Jobs at the edges of what a layer may be, for any architecture."""

import numpy as np
from numpy.typing import NDArray

from codesign.regression.jobs import Job, make_jobs
from codesign.regression.layers import random_activations, random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.numbers import signed_range
from sw.layer import QuantizedLayer

__all__ = ["Case", "full_layer", "odd_cases", "sparse_activations", "standard_jobs"]

Case = tuple[str, QuantizedLayer, NDArray[np.int64]]


def odd_cases(arch: ArchConfig, rng: np.random.Generator, direction: Direction) -> list[Case]:
    """Shapes and contents at the edges of what a layer may be."""
    size, tokens = arch.segment, arch.tokens
    low = signed_range(arch.activation_width)[0]
    shapes = {
        "1 x 1": (1, 1, 1),
        "1 x K": (1, 53, tokens + 1),
        "M x 1": (47, 1, 2),
        "primes": (31, 37, 3),
        "a bit more than blocks": (2 * size + 1, size + 3, 2 * tokens + 1),
        "whole blocks": (3 * size, 2 * size, 3 * tokens),
    }
    cases = []
    for name, (rows, cols, columns) in shapes.items():
        layer = random_layer(rng, arch, (rows, cols), direction, 0.4)
        cases.append((name, layer, sparse_activations(rng, arch, layer, columns)))
    thin = random_layer(rng, arch, (29, 61), direction, 0.03)
    cases.append(("almost nothing kept", thin, random_activations(rng, arch, thin, tokens)))
    empty = random_layer(rng, arch, (19, 23), direction, 0.0)
    cases.append(("all-zero weights", empty, random_activations(rng, arch, empty, tokens + 1)))
    silent = random_layer(rng, arch, (19, 23), direction, 0.5)
    cases.append(("all-zero activations", silent, np.zeros((23, tokens + 1), np.int64)))
    dense = full_layer(rng, (23, 27), direction, *signed_range(arch.weight_width))
    cases.append(("fully dense", dense, random_activations(rng, arch, dense, tokens)))
    lowest = signed_range(arch.weight_width)[0]
    extreme = full_layer(rng, (size + 1, 43), direction, lowest, lowest)
    cases.append(("all at the minimum", extreme, np.full((43, tokens + 1), low)))
    return [(f"{name}, {direction.name.lower()}", layer, x) for name, layer, x in cases]


def sparse_activations(
    rng: np.random.Generator, arch: ArchConfig, layer: QuantizedLayer, tokens: int
) -> NDArray[np.int64]:
    """Activations of which half the inputs are 0 throughout, and many single ones besides."""
    activations = random_activations(rng, arch, layer, tokens)
    activations[rng.random(layer.cols) < 0.5] = 0
    activations[rng.random(activations.shape) < 0.3] = 0
    return activations


def full_layer(
    rng: np.random.Generator, shape: tuple[int, int], direction: Direction, low: int, high: int
) -> QuantizedLayer:
    """A layer that keeps every weight, from ``low`` to ``high``."""
    weights = rng.integers(low, high + 1, shape, dtype=np.int8)
    order = np.arange(shape[0] if direction is Direction.VERTICAL else shape[1])
    return QuantizedLayer(
        "full", weights, np.ones(shape, np.bool_), direction, order, np.ones(shape[0], np.float32)
    )


def standard_jobs(arch: ArchConfig, seed: int = 7) -> list[Job]:
    """Return odd cases in both directions, alternating, and random ones behind them."""
    rng = np.random.default_rng(seed)
    pairs = zip(*(odd_cases(arch, rng, direction) for direction in Direction), strict=True)
    cases = [case for pair in pairs for case in pair]
    for number in range(12):
        shape = (int(rng.integers(1, 70)), int(rng.integers(1, 70)))
        direction = Direction(int(rng.integers(2)))
        layer = random_layer(rng, arch, shape, direction, float(rng.choice([0.05, 0.2, 0.6])))
        activations = sparse_activations(rng, arch, layer, int(rng.integers(1, 3 * arch.tokens + 1)))
        cases.append((f"random {number}", layer, activations))
    return make_jobs(cases, arch)
