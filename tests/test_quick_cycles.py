"""Cycles from events equal cycles counted one by one, and lengths of packets those of the stream."""

import re

import numpy as np
import pytest

from codesign.cycles import layer_cycles
from codesign.quick_cycles import quick_cycles
from codesign.regression.architectures import ARCHS
from codesign.regression.output_cases import OUTPUT_ARCHS, output_cases
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.plan import SegmentedLayer
from sw.unpack import unpack
from tests.small_layers import smoothed


def random_arch(rng: np.random.Generator) -> ArchConfig:
    """Anything from one PE to eight clusters, with memories that force passes, chunks and splits."""

    def one_of(*values: int) -> int:
        return int(rng.choice(values))

    lanes = one_of(1, 2, 4, 8)
    return ArchConfig(
        clusters=one_of(1, 2, 3, 5, 8),
        lanes=lanes,
        tokens=int(rng.integers(1, 9)),
        segment=lanes * one_of(1, 2, 4, 8, 16),
        weight_width=one_of(4, 8),
        stream_width=one_of(64, 128, 256),
        activation_depth=one_of(16, 32, 256),
        value_depth=one_of(64, 256, 4096),
        block_depth=one_of(2, 4, 64),
        queue_depth=one_of(4, 8, 16),
        advance_width=int(rng.integers(1, 5)),
        output_blocks=one_of(0, 0, 64),
    )


def test_halves_that_come_free_while_the_next_is_fetched_are_counted() -> None:
    """The same layer as in `test_accelerator`, where the RTL is asked."""
    arch, rng = ARCHS["one_output_blocks"], np.random.default_rng(3)
    mask = rng.random((30, 50)) < 0.3
    weights = rng.integers(-5, 6, mask.shape).astype(np.int8) * mask
    ones = np.ones(30, np.float32)
    layer = QuantizedLayer("layer", weights, mask, Direction.VERTICAL, np.arange(30), ones)
    packed = unpack(pack([layer], arch)).layers[0]
    assert (
        quick_cycles(SegmentedLayer.of(layer, arch), arch, 4).cycles == layer_cycles(packed, arch, 4).cycles
    )


def compare(seed: int) -> None:
    """A random layer on a random architecture, by both models."""
    rng = np.random.default_rng(seed)
    arch = random_arch(rng)
    rows, cols = (int(rng.integers(1, 160)) for _ in range(2))
    # Many tiles, so that most are left out, or few.
    tokens = int(rng.integers(1, 60)) if seed % 2 else int(rng.integers(12, 40)) * arch.tokens
    mask = rng.random((rows, cols)) < rng.choice([0.0, 0.02, 0.1, 0.3, 1.0])
    direction = Direction(int(rng.integers(2)))
    size = rows if direction is Direction.VERTICAL else cols
    weights = rng.integers(-8, 8, mask.shape).astype(np.int8) * mask
    ones = np.ones(rows, np.float32)
    layer = QuantizedLayer("layer", weights, mask, direction, rng.permutation(size), ones)
    layer = smoothed(layer) if seed % 3 == 0 else layer
    packed = unpack(pack([layer], arch)).layers[0]
    steps, events = (
        layer_cycles(packed, arch, tokens),
        quick_cycles(SegmentedLayer.of(layer, arch), arch, tokens),
    )
    assert (events.compute_cycles, events.cycles) == (steps.compute_cycles, steps.cycles)
    assert events.load_cycles == steps.load_cycles
    assert events.beats == steps.beats
    assert (events.bits, events.vectors) == (packed.bits, packed.vectors)


@pytest.mark.parametrize("seed", range(80))
def test_events_and_steps_count_the_same(seed: int) -> None:
    compare(seed)


@pytest.mark.long
def test_events_and_steps_count_the_same_a_thousand_times() -> None:
    for seed in range(1000, 2000):
        compare(seed)


@pytest.mark.parametrize("name", OUTPUT_ARCHS)
def test_packets_of_output_parameters_are_counted(name: str) -> None:
    arch = OUTPUT_ARCHS[name]
    for _, layer, _ in output_cases(arch, 3):
        packed = unpack(pack([layer], arch)).layers[0]
        steps, events = layer_cycles(packed, arch, 5), quick_cycles(SegmentedLayer.of(layer, arch), arch, 5)
        assert (events.load_cycles, events.cycles) == (steps.load_cycles, steps.cycles)
        assert events.bits == packed.bits


@pytest.mark.parametrize(
    ("fields", "rows"),
    [({"psum_width": 16}, 4), ({"weight_width": 4}, 4), ({"output_blocks": 2, "psum_width": 16}, 4)],
)
def test_what_pack_refuses_is_refused_alike(fields: dict[str, int], rows: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=2, **fields)
    weights = np.full((rows, 64), 100, np.int8)
    ones = np.ones(rows, np.float32)
    layer = QuantizedLayer("x", weights, weights != 0, Direction.VERTICAL, np.arange(rows), ones)
    with pytest.raises(ConfigError) as refusal:
        pack([layer], arch)
    with pytest.raises(ConfigError, match=re.escape(str(refusal.value))):
        quick_cycles(SegmentedLayer.of(layer, arch), arch, 2)
