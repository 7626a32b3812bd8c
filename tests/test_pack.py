"""Packing and unpacking: exact round trips, and what cannot be packed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.regression.layers import random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.packet import Opcode, read_packets
from spec.record import Record, advance_records, decode_record
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index
from sw.pack import pack
from sw.unpack import PackedLayer, unpack
from tests.small_layers import small_archs, small_layers, stored_mask

ARCH = ArchConfig(clusters=2, lanes=2, tokens=2, segment=8, activation_depth=8, value_depth=64, block_depth=4)


def check_same(packed: PackedLayer, layer: QuantizedLayer, arch: ArchConfig) -> None:
    """Assert that a layer came back as it went in."""
    assert (packed.name, packed.direction) == (layer.name, layer.direction)
    assert np.array_equal(packed.weights, layer.weights)
    assert np.array_equal(packed.mask, stored_mask(layer, arch))
    assert np.array_equal(packed.order, layer.order)
    assert np.array_equal(packed.scales, layer.scales)
    found, expected = (None if one is None else one.tolist() for one in (packed.smoothing, layer.smoothing))
    assert found == expected
    assert packed.weights.dtype == np.int8 and packed.mask.dtype == np.bool_
    assert packed.kept == np.count_nonzero(packed.mask)
    grouped = layer.mask[grouped_index(layer.direction, layer.order)]
    segments = Blocking(layer.rows, layer.cols, layer.direction, arch).split(grouped)
    assert packed.vectors == np.count_nonzero(segments.any(axis=(2, 3)))


@settings(max_examples=120, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_packing_round_trips(arch: ArchConfig, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 2))
    layers = [data.draw(small_layers(arch, f"layer {n}")) for n in range(count)]
    packed = pack(layers, arch)
    file = unpack(packed)
    assert file.arch == arch and len(file.layers) == count
    for one, layer in zip(file.layers, layers, strict=True):
        check_same(one, layer, arch)
    head = next(read_packets(packed, arch.stream_width // 8)).words * arch.stream_width
    assert head + sum(one.bits for one in file.layers) == 8 * len(packed)
    assert pack(layers, arch) == packed


@settings(max_examples=40, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_records_are_those_of_the_specification(arch: ArchConfig, data: st.DataObject) -> None:
    layer = unpack(pack([data.draw(small_layers(arch))], arch)).layers[0]
    records = 0
    payloads = [
        packet.payload
        for one in layer.passes
        for packet in read_packets(bytes(one.data), arch.stream_width // 8)
        if packet.header.opcode == Opcode.RECORDS
    ]
    streams = [stream for one in layer.passes for stream in one.clusters if stream.parts]
    for payload, stream in zip(payloads, streams, strict=True):
        expected: list[Record] = []
        part, following = 0, stream.parts[0].start
        for position, bitmap, end in zip(stream.position, stream.bitmap, stream.end, strict=True):
            if bitmap or end:
                gap = int(position) - following
                expected += advance_records(gap, int(bitmap), bool(end), arch)
                following = int(position) + 1
            if end and part + 1 < len(stream.parts):
                part += 1
                following = stream.parts[part].start
        number = int.from_bytes(payload, "little")
        for record in expected:
            assert decode_record(number & ((1 << arch.record_width) - 1), arch) == record
            number >>= arch.record_width
        assert number == 0
        records += len(expected)
    assert records == layer.records


@pytest.mark.parametrize("shape", [(1, 1), (1, 67), (67, 1), (37, 41), (16, 16)])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_odd_shapes_round_trip(shape: tuple[int, int], direction: Direction, density: float) -> None:
    layer = random_layer(np.random.default_rng(1), ARCH, shape, direction, density, extreme=True)
    check_same(unpack(pack([layer], ARCH)).layers[0], layer, ARCH)


def test_layers_that_do_not_fit_are_refused() -> None:
    layer = random_layer(np.random.default_rng(12), ARCH, (13, 21), Direction.VERTICAL, 0.6)
    with pytest.raises(ConfigError, match="at least one layer"):
        pack([], ARCH)
    with pytest.raises(ConfigError, match="layer names must differ, but layer occurs 2 times"):
        pack([layer, layer], ARCH)
    narrow = ArchConfig(clusters=1, lanes=2, tokens=1, weight_width=4)
    with pytest.raises(ConfigError, match="outside -8 to 7; raise `weight_width`"):
        pack([layer], narrow)


def test_a_layer_whose_outputs_take_33_bits_is_refused() -> None:
    arch = ArchConfig(clusters=1, lanes=16, tokens=1, segment=16, activation_depth=1 << 14)
    shape = 1, 1 << 17
    long = QuantizedLayer(
        "long", np.full(shape, -128, np.int8), np.ones(shape, np.bool_), Direction.VERTICAL, np.arange(1),
        np.ones(1, np.float32),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="layer long can reach an output of 2147483648, which takes 33"):
        pack([long], arch)
