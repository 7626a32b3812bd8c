"""Jobs that random ones seldom are: what coverage showed to be missing."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from codesign.regression.cases import Case, full_layer
from codesign.regression.jobs import Job, make_jobs
from codesign.regression.layers import limit_layer, random_activations, random_layer
from codesign.regression.output_cases import random_outputs, with_outputs
from codesign.regression.restreamed import stuffed, with_unused_fields
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.numbers import signed_range
from spec.outputs import MULTIPLIER_WIDTH
from sw.blocks import Blocking
from sw.layer import QuantizedLayer
from sw.outputs import OutputParameters
from sw.pack import pack

__all__ = ["directed_jobs"]


def directed_jobs(arch: ArchConfig, seed: int = 5) -> list[Job]:
    """Return jobs of few blocks, cut wherever they can be, of single vectors, and of psums at their limits.

    What an architecture cannot hold, or its psums could exceed, is left out.
    """
    rng = np.random.default_rng(seed)
    cases = [case for direction in Direction for case in _cases(rng, arch, direction)]
    whole = random_layer(rng, arch, (2 * arch.clusters * arch.segment, 30), Direction.VERTICAL, 0.4)
    cases.append(("whole blocks", whole, random_activations(rng, arch, whole, arch.tokens)))
    numbered = [(f"directed {number}: {name}", layer, x) for number, (name, layer, x) in enumerate(cases)]
    jobs = make_jobs([case for case in numbered if _fits(case[1], arch)], arch)
    return [*jobs, stuffed(jobs[-1], arch), with_unused_fields(jobs[-1], arch)]


def _cases(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    size = arch.segment
    yield from _few_blocks(rng, arch, direction)
    yield from _clumps(rng, arch, direction)
    yield from _one_block_more(rng, arch, direction)
    yield from _full_memories(rng, arch, direction)
    yield from _one_live_vector(rng, arch, direction)
    yield from _single_vectors(rng, arch, direction)
    dense = full_layer(rng, (2 * size - 1, 2 * size - 1), direction, *signed_range(arch.weight_width))
    yield "dense, no whole blocks", dense, random_activations(rng, arch, dense, 2 * arch.tokens + 1)
    silent = np.zeros((2 * size - 1, arch.tokens), np.int64)
    yield "dense, nothing but zeros", dense, silent
    yield from _short_passes(rng, arch, direction)
    if arch.output_blocks:
        yield from _coarse_scales(rng, arch, direction)
        yield from _every_scale(rng, arch, direction)
    layer, extremes = limit_layer(arch, direction)
    yield "psums at their limits", layer, extremes


def _few_blocks(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """So few blocks that clusters wait for a part of one, with outputs of every kind."""
    size = arch.segment
    for density, rows in product((0.1, 0.4, 0.9), (size, max(size - 1, 1), size + 1, 7 * size - 1)):
        for relu, table in product((False, True), repeat=2) if arch.output_blocks else [(False, False)]:
            layer = random_layer(rng, arch, (rows, 57), direction, density)
            activations = random_activations(rng, arch, layer, arch.tokens + int(rng.integers(2)))
            activations[rng.random(57) < 0.4] = 0
            yield f"{rows} outputs, {density} kept", layer, activations
            if arch.output_blocks:
                requantized = with_outputs(rng, layer, arch, relu=relu, table=table)
                yield f"{rows} requantized, {density} kept", requantized, activations


def _clumps(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """Whole segments next to each other, and wide gaps in between, in blocks of very different length."""
    for blocks, zeros in product((1, 1, 2, 5, 7), (0.0, 0.9)):
        shape = (blocks * arch.segment - int(rng.integers(2)) * (arch.segment > 1), 60)
        period = rng.integers(3, 11, blocks) if blocks > 1 else np.array([10])
        layer = _kept(rng, shape, direction, arch, np.arange(64) % period[:, None] < 3)
        activations = random_activations(rng, arch, layer, 2 * arch.tokens - 1)
        activations[rng.random(60) < zeros] = 0
        yield f"{blocks} blocks in clumps", layer, activations


def _one_block_more(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """A long block for every cluster and a short one: whoever has both gives a part of the long one away."""
    shape = ((arch.clusters + 1) * arch.segment, 60)
    for share in (30, 36, 40):
        counts = np.array([share] * arch.clusters + [share // 2])
        layer = _kept(rng, shape, direction, arch, np.arange(64) < counts[:, None])
        yield (
            f"{share} segments, and half as many",
            layer,
            random_activations(rng, arch, layer, 2 * arch.tokens - 1),
        )


def _full_memories(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """As many blocks as both banks of all clusters hold, and as many records as there are positions."""
    size, most = arch.segment, min(2 * arch.clusters * arch.block_depth, 48)
    many = random_layer(rng, arch, (most * size, size), direction, 0.05)
    yield "many blocks", many, random_activations(rng, arch, many, 1)
    blocking = Blocking(4 * arch.clusters * size, 60, direction, arch)
    groups = np.zeros(blocking.shape, np.bool_)
    groups[:, :, -1] = True
    short = _masked(rng, blocking.join(groups), direction, arch)
    yield "short vectors everywhere", short, random_activations(rng, arch, short, 1)


def _one_live_vector(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """A block cut into parts, in the first of which only one vector meets anything but zeros."""
    blocking = Blocking(arch.segment, 60, direction, arch)
    groups = np.ones(blocking.shape, np.bool_)
    live = 1
    if direction is Direction.HORIZONTAL:
        live = arch.lanes
        groups[:, 1:, 0] = False
    layer = _masked(rng, blocking.join(groups), direction, arch)
    activations = random_activations(rng, arch, layer, arch.tokens + 1) | 1
    activations[live:] = 0
    yield "one live vector", layer, activations


def _kept(
    rng: np.random.Generator,
    shape: tuple[int, int],
    direction: Direction,
    arch: ArchConfig,
    segments: NDArray[np.bool_],
) -> QuantizedLayer:
    """A layer that keeps ``segments``, blocks x positions, whole."""
    blocking = Blocking(*shape, direction, arch)
    chosen = segments[:, : blocking.positions, None, None]
    return _masked(rng, blocking.join(np.broadcast_to(chosen, blocking.shape)), direction, arch)


def _single_vectors(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """One vector, of all groups, of whose inputs all, half or none are zero; and two of them far apart."""
    size = arch.segment
    for zeros in (0, size // 2, size):
        for places in ((1,), (0, 50)):
            mask = np.zeros((size, 60), np.bool_)
            for place in places:
                if direction is Direction.VERTICAL:
                    mask[:, place] = True
                else:
                    mask[place % size, place // size * size :][:size] = True
            layer = _masked(rng, mask, direction, arch)
            activations = random_activations(rng, arch, layer, arch.tokens) | 1
            activations[np.arange(60) % size < zeros] = 0
            yield f"{len(places)} vectors, {zeros} zeros", layer, activations


def _short_passes(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """Chunks of which the first takes long and the others a vector: a pass comes while its bank is in use."""
    if arch.max_inputs > 64:
        return
    shape = (arch.clusters * arch.segment, 4 * arch.max_inputs)
    mask = np.zeros(shape, np.bool_)
    mask[:, : arch.max_inputs] = True
    mask[:: arch.segment, :: arch.max_inputs] = True
    layer = _masked(rng, mask, direction, arch)
    yield "short passes behind a long one", layer, random_activations(rng, arch, layer, arch.tokens)


def _coarse_scales(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """Multipliers of few bits, each of which shows in the codes; and codes that are single activations.

    Of the latter the factor is a power of two and taken back by the shift, so that for negative ones every
    bit of some partial product is seen.
    """
    rows = min(arch.output_blocks * arch.segment, 64)
    for _ in range(3):
        layer = random_layer(rng, arch, (rows, 30), direction, 0.7)
        its = random_outputs(rng, layer.weights, arch.activation_width, relu=False, table=False)
        dropped = np.minimum(rng.integers(8, 30, rows), its.shift - 1)
        few = replace(its, multiplier=its.multiplier >> dropped, shift=its.shift - dropped)
        activations = random_activations(rng, arch, layer, 2 * arch.tokens)
        yield "coarse scales", replace(layer, outputs=few), activations
    mask = np.arange(rows)[:, None] % 30 == np.arange(30)
    shift = 1 + np.arange(rows) // 2 % (MULTIPLIER_WIDTH - 1)
    plain = OutputParameters(np.zeros(rows, np.int64), 1 << shift, shift)
    layer = full_layer(rng, mask.shape, direction, 1, 1)
    layer = replace(layer, mask=mask, weights=mask.astype(np.int8), outputs=plain)
    yield "shifted to and fro", layer, random_activations(rng, arch, layer, 2 * arch.tokens)


def _every_scale(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> Iterator[Case]:
    """Codes that are single activations, times multipliers of every length, shifted so that some saturate.

    In half of them activations are small and what they are multiplied with is large: low bits of a product
    count then, in which partial products of far more bits overlap. In the others a product has few bits set,
    anywhere above those of a code.
    """
    rows, (low, high) = min(arch.output_blocks * arch.segment, 64), signed_range(arch.activation_width)
    mask = np.arange(rows)[:, None] % 30 == np.arange(30)
    for number in range(4):
        bits = 1 + (np.arange(rows) + rows * number) % MULTIPLIER_WIDTH
        multiplier = 1 << (bits - 1)
        gain = rng.integers(0, bits)
        if number % 2:
            multiplier += rng.integers(0, multiplier)
            gain = np.minimum(gain, rng.integers(0, arch.activation_width, rows))
        scales = OutputParameters(np.zeros(rows, np.int64), multiplier, bits - gain)
        layer = replace(full_layer(rng, mask.shape, direction, 1, 1), mask=mask, weights=mask.astype(np.int8))
        activations = rng.integers(low, high + 1, (30, 4 * arch.tokens))
        activations >>= rng.integers(0, arch.activation_width, activations.shape)
        yield "every scale", replace(layer, outputs=scales), activations


def _masked(
    rng: np.random.Generator, mask: NDArray[np.bool_], direction: Direction, arch: ArchConfig
) -> QuantizedLayer:
    layer = full_layer(rng, mask.shape, direction, 1, signed_range(arch.weight_width)[1])
    return replace(layer, mask=mask, weights=np.where(mask, layer.weights, 0).astype(np.int8))


def _fits(layer: QuantizedLayer, arch: ArchConfig) -> bool:
    try:
        pack([layer], arch)
    except ConfigError:
        return False
    return True
