"""The plan of a layer: it foretells every packet of file and job, and refuses what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign.regression.layers import random_layer
from codesign.regression.output_cases import OUTPUT_ARCHS, output_cases
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.packet import Opcode, read_packets
from sw.job import job_stream
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.plan import LayerPlan, SegmentedLayer, order_width, plan_layer
from sw.spans import escape_counts
from sw.unpack import unpack
from tests.small_layers import small_archs, small_layers

ARCH = ArchConfig(clusters=2, lanes=2, tokens=2, segment=8, activation_depth=8, value_depth=64, block_depth=4)


def planned(layer: QuantizedLayer, arch: ArchConfig) -> LayerPlan:
    """The plan of a layer."""
    return plan_layer(SegmentedLayer.of(layer, arch), arch)


def lengths(data: bytes, arch: ArchConfig) -> list[tuple[int, int]]:
    """Opcode and payload words of every packet that was framed."""
    packets = read_packets(data, arch.stream_width // 8)
    return [(packet.header.opcode, packet.header.length) for packet in packets]


def check_lengths(layer: QuantizedLayer, arch: ArchConfig) -> None:
    """Assert that the plan foretells opcode and length of every packet of a job of two tiles."""
    plan = planned(layer, arch)
    foretold: list[tuple[int, int]] = list(plan.head_packets())
    for one in plan.schedule.passes:
        foretold.append((Opcode.PASS, 0))
        for parts in filter(None, one.clusters):
            its = plan.vectors(parts, one.chunk)
            records = len(its.gaps) + int(escape_counts(its.gaps, arch).sum())
            foretold += plan.weight_packets(len(parts), records, int(np.bitwise_count(its.bitmaps).sum()))
        foretold += [(Opcode.ACTIVATIONS, plan.activation_words(one.chunk))] * 2
    foretold.append((Opcode.END, 0))
    packed = unpack(pack([layer], arch)).layers[0]

    sent = lengths(job_stream(packed, np.zeros((layer.cols, 2 * arch.tokens), np.int64), arch), arch)

    assert sent == foretold
    assert packed.schedule == plan.schedule


@settings(max_examples=60, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_records_are_counted_block_by_block(arch: ArchConfig, data: st.DataObject) -> None:
    its = SegmentedLayer.of(data.draw(small_layers(arch)), arch)

    records_before = its.kept.vectors(arch).records_before
    counted = np.diff(records_before)

    kept = its.kept.groups
    expected = []
    for block in range(len(kept)):
        next_position = 0
        for position in np.flatnonzero(kept[block].any(axis=-1)).tolist():
            # An escape advances by as many steps of 2 ** advance_width as fit its field, see spec.record.
            steps = (position - next_position) >> arch.advance_width
            expected.append(1 + -(-steps // (1 << arch.advance_width)))
            next_position = position + 1
    assert counted.tolist() == expected
    assert records_before[0] == 0


@settings(max_examples=60, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_the_plan_foretells_every_packet(arch: ArchConfig, data: st.DataObject) -> None:
    check_lengths(data.draw(small_layers(arch)), arch)


@pytest.mark.parametrize("name", OUTPUT_ARCHS)
def test_the_plan_foretells_the_packets_of_output_parameters(name: str) -> None:
    arch = OUTPUT_ARCHS[name]
    for _, layer, _ in output_cases(arch, 4):
        check_lengths(layer, arch)


@settings(max_examples=60, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_segments_are_counted_as_the_matrix_has_them(arch: ArchConfig, data: st.DataObject) -> None:
    layer = data.draw(small_layers(arch))
    rows, cols = (
        (layer.order, np.arange(layer.cols))
        if layer.direction is Direction.VERTICAL
        else (np.arange(layer.rows), layer.order)
    )
    kept: dict[tuple[int, int], int] = {}
    for row, col in np.argwhere(layer.mask[rows][:, cols]).tolist():
        across, along = (row, col) if layer.direction is Direction.VERTICAL else (col, row)
        segment, lane = divmod(across, arch.segment)
        block, position = (
            (segment, along)
            if layer.direction is Direction.VERTICAL
            else (along // arch.segment, segment * arch.segment + along % arch.segment)
        )
        kept[block, position] = kept.get((block, position), 0) | 1 << lane // arch.lanes

    its = SegmentedLayer.of(layer, arch)

    found = zip(its.block.tolist(), its.position.tolist(), its.bitmaps.tolist(), strict=True)
    assert [((block, position), bits) for block, position, bits in found] == sorted(kept.items())
    assert its.magnitude == max(sum(map(abs, row)) for row in layer.weights.tolist())
    assert its.layer is layer


@pytest.mark.parametrize(("count", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)])
def test_an_entry_of_an_order_takes_the_bits_of_the_largest(count: int, bits: int) -> None:
    assert order_width(count) == bits


def full_layer(weights: NDArray[np.int8]) -> QuantizedLayer:
    """A vertical layer that keeps all ``weights``, in their order."""
    kept, rows = np.ones(weights.shape, np.bool_), len(weights)
    return QuantizedLayer(
        "full", weights, kept, Direction.VERTICAL, np.arange(rows), np.ones(rows, np.float32)
    )


@pytest.mark.parametrize(
    ("weights", "worst"),
    [([-8, 7], None), ([-9, 7], -9), ([-8, 8], 8), ([-9, 8], -9), ([-128, 127], -128), ([7, 127], 127)],
)
def test_weights_of_4_bits_go_from_minus_8_to_7(weights: list[int], worst: int | None) -> None:
    arch = ARCH.model_copy(update={"weight_width": 4})
    layer = full_layer(np.array([weights], np.int8))
    if worst is None:
        assert planned(layer, arch).schedule.chunk_inputs == 8
        return
    with pytest.raises(ConfigError) as refusal:
        planned(layer, arch)
    assert str(refusal.value) == (
        f"layer full has a weight of {worst}, outside -8 to 7; raise `weight_width` or quantize it to 4 bits"
    )


@pytest.mark.parametrize("psum_width", [16, 17])
@pytest.mark.parametrize("activation_width", [2, 8])
def test_what_a_psum_may_reach_is_planned_and_no_more(psum_width: int, activation_width: int) -> None:
    arch = ArchConfig(
        clusters=1, lanes=1, tokens=1, activation_width=activation_width, psum_width=psum_width,
        activation_depth=1 << 16,
    )  # fmt: skip
    # Each input adds 2^(width - 1) at the most negative activation, times a weight of -128 or 1.
    step = 128 << activation_width - 1
    limit = (1 << psum_width - 1) - 1
    weights = np.full((1, limit // step + 1), -128, np.int8)
    weights[0, -1] = 0

    assert planned(full_layer(weights), arch).segmented.magnitude == limit // step * 128

    weights[0, -1] = -(limit % step // (1 << activation_width - 1)) - 1
    with pytest.raises(ConfigError, match=f"layer full can reach a psum of {limit + 1}, which takes"):
        planned(full_layer(weights), arch)


def test_layers_keep_their_name_and_shape_in_the_info_packet() -> None:
    layer = random_layer(np.random.default_rng(1), ARCH, (9, 21), Direction.HORIZONTAL, 0.5, name="Größe")

    assert planned(layer, ARCH).info() == b'{"name":"Gr\\u00f6\\u00dfe","rows":9,"cols":21,"chunk":16}'
    assert unpack(pack([replace(layer, name="Größe")], ARCH)).layers[0].name == "Größe"
