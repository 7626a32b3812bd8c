"""The energy estimate: what is counted, and what one of each costs."""

from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest

from codesign.cycles import layer_cycles
from codesign.exploration.activity import Activity, dense_activity, layer_activity
from codesign.exploration.energy import estimate_energy
from codesign.exploration.technology import TECHNOLOGIES, Technology, find_technology
from codesign.quick_cycles import quick_cycles
from codesign.regression.cases import full_layer
from codesign.regression.layers import random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.plan import SegmentedLayer
from sw.unpack import unpack

ARCH = ArchConfig(clusters=2, lanes=4, tokens=3, segment=16)
COLUMNS = 8
EACH = Technology(
    "each", "round numbers", multiply=1.0, add=10.0, sram=((1024, 64.0), (4096, 128.0)), dram=640.0
)


def line_of(layer: QuantizedLayer) -> dict[str, Any]:
    """The layer's line as an exploration measures it."""
    count = quick_cycles(SegmentedLayer.of(layer, ARCH), ARCH, COLUMNS)
    return {
        "rows": layer.rows,
        "cols": layer.cols,
        "direction": layer.direction.label,
        **asdict(count),
    }


@pytest.mark.parametrize("direction", Direction)
def test_activity_is_counted_vector_by_vector(direction: Direction) -> None:
    """Against a walk over the packed layer's own mask, group by group and tile by tile."""
    layer = random_layer(np.random.default_rng(5), ARCH, (50, 37), direction, 0.4)
    packed = unpack(pack([layer], ARCH)).layers[0]
    mask = packed.mask if direction is Direction.VERTICAL else packed.mask.T
    mask = mask[layer.order]
    mask = np.pad(mask, ((0, -len(mask) % ARCH.segment), (0, 0)))
    vectors = beats = 0
    for segment in mask.reshape(-1, ARCH.segment, mask.shape[1]).swapaxes(1, 2).reshape(-1, ARCH.segment):
        kept = segment.reshape(ARCH.groups, ARCH.lanes).any(axis=1).sum()
        vectors += bool(kept)
        beats += int(kept)
    tiles = -(-COLUMNS // ARCH.tokens)
    assert 0 < vectors < beats

    found = layer_activity(line_of(layer), ARCH, COLUMNS)

    assert found.multiplications == found.additions == tiles * beats * ARCH.lanes * ARCH.tokens
    assert found.multiplications == layer_cycles(packed, ARCH, COLUMNS).beats * ARCH.lanes * ARCH.tokens
    assert found.value_bits == (tiles + 1) * beats * ARCH.lanes * 8
    fetches = vectors if direction is Direction.VERTICAL else beats
    written = ARCH.clusters * 37 * tiles * ARCH.tokens * 8
    assert found.activation_bits == tiles * fetches * ARCH.lanes * ARCH.tokens * 8 + written
    psums = beats * ARCH.tokens * (ARCH.lanes if direction is Direction.VERTICAL else 1)
    assert found.psum_bits == 32 * tiles * (2 * psums + 50 * ARCH.tokens)


@pytest.mark.parametrize("direction", Direction)
def test_dense_activity_is_that_of_a_layer_that_keeps_everything(direction: Direction) -> None:
    rng = np.random.default_rng(6)
    sparse = random_layer(rng, ARCH, (50, 37), direction, 0.3)
    # No weight is 0: what is kept is what a dense layer multiplies.
    dense = full_layer(rng, (50, 37), direction, 1, 127)

    estimated = dense_activity(line_of(sparse), ARCH, COLUMNS)
    measured = layer_activity(line_of(dense), ARCH, COLUMNS)

    for one in fields(Activity):
        if one.name != "stream_bits":
            assert getattr(estimated, one.name) == getattr(measured, one.name), one.name
    # Packets are padded to whole words, and orders are sent or not.
    assert estimated.stream_bits == pytest.approx(measured.stream_bits, rel=0.05)


def test_energy_is_counts_times_prices() -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=1, segment=32, weight_width=4, activation_width=8)
    sizes = {"value": 4 * arch.value_depth, "activation": 8 * arch.activation_depth, "psum": 8 * arch.groups}
    assert (sizes["value"], sizes["psum"]) == (16384, 64)

    found = estimate_energy(
        Activity(multiplications=3_000_000, additions=2_000_000, psum_bits=5_000_000, stream_bits=7_000_000),
        arch,
        EACH,
    )

    # Half a multiplication of 8 bits each; 64 bytes are a sixteenth of the first memory, a quarter as long.
    assert found.arithmetic == pytest.approx(3 * 0.5 + 2 * 10)
    assert found.memories == pytest.approx(5 * 1.0 / 4)
    assert found.stream == pytest.approx(7 * 10)
    assert found.total == pytest.approx(found.on_chip + 70)


def test_a_memory_costs_what_the_table_says_and_between_in_proportion() -> None:
    assert [64 * EACH.access(size) for size in (256, 1024, 2048, 4096, 16384)] == pytest.approx(
        [32, 64, 64 * 2**0.5, 128, 256]
    )
    for technology in TECHNOLOGIES.values():
        for size, picojoules in technology.sram:
            assert 64 * technology.access(size) == pytest.approx(picojoules)


def test_an_unknown_technology_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="`--technology` must be one of 45nm, 7nm, not 28nm"):
        find_technology("28nm")
