"""Jobs through the NumPy accelerator: every output equals PyTorch's integer matmul."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign.regression.layers import random_activations, random_layer
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.numbers import signed_range
from spec.packet import (
    ErrorCode,
    Header,
    Opcode,
    frame_answer,
    frame_packet,
    read_answers,
    read_packets,
)
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.reference import execute
from sw.unpack import PackedLayer, unpack
from tests.small_layers import small_archs, small_layers

ARCH = ArchConfig(clusters=2, lanes=2, tokens=3, segment=8, activation_depth=8, value_depth=64, block_depth=4)


def matmul(layer: QuantizedLayer, activations: NDArray[np.int64]) -> NDArray[np.int32]:
    """PyTorch's integer product."""
    product = torch.from_numpy(layer.weights).to(torch.int32) @ torch.from_numpy(activations).to(torch.int32)
    return np.asarray(product.numpy())


def packed_layer(layer: QuantizedLayer, arch: ArchConfig) -> PackedLayer:
    """The layer as it comes out of a file."""
    return unpack(pack([layer], arch)).layers[0]


@settings(max_examples=150, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_jobs_equal_torch(arch: ArchConfig, data: st.DataObject) -> None:
    layer = data.draw(small_layers(arch))
    tokens = data.draw(st.integers(1, 11))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    activations = random_activations(rng, arch, layer, tokens)
    packed = packed_layer(layer, arch)
    stream = job_stream(packed, activations, arch)
    result = read_outputs(execute(stream, arch), packed, tokens, arch)
    assert result.errors == () and result.counters == {}
    assert result.outputs.dtype == np.int32
    assert np.array_equal(result.outputs, matmul(layer, activations))
    assert job_stream(packed, activations, arch) == stream


@pytest.mark.parametrize("shape", [(1, 1), (1, 67), (67, 1), (37, 41)])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_odd_shapes_at_the_most_negative_numbers(
    shape: tuple[int, int], direction: Direction, density: float
) -> None:
    rng = np.random.default_rng(1)
    layer = random_layer(rng, ARCH, shape, direction, density, extreme=True)
    activations = np.full((shape[1], 4), -128)
    packed = packed_layer(layer, ARCH)
    answer = execute(job_stream(packed, activations, ARCH), ARCH)
    assert np.array_equal(read_outputs(answer, packed, 4, ARCH).outputs, matmul(layer, activations))


@pytest.mark.parametrize("preset", ["tiny", "small", "ulx3s", "paper"])
@pytest.mark.parametrize("direction", Direction)
def test_presets_equal_torch(preset: str, direction: Direction) -> None:
    arch = ArchConfig.load(preset)
    rng = np.random.default_rng(3)
    layer = random_layer(rng, arch, (200, 300), direction, 0.3)
    activations = random_activations(rng, arch, layer, 19)
    packed = packed_layer(layer, arch)
    answer = execute(job_stream(packed, activations, arch), arch)
    assert np.array_equal(read_outputs(answer, packed, 19, arch).outputs, matmul(layer, activations))


@pytest.mark.parametrize("psum_width", [16, 17, 20, 32])
@pytest.mark.parametrize("activation_width", [4, 8])
@pytest.mark.parametrize("weight_width", [2, 3, 4, 8])
def test_every_number_format_equals_torch(weight_width: int, activation_width: int, psum_width: int) -> None:
    formats = {"weight_width": weight_width, "activation_width": activation_width, "psum_width": psum_width}
    arch = ArchConfig.model_validate({**ARCH.model_dump(), **formats, "split_slots": 4})
    # As many inputs as no weights and activations can make overflow.
    cols = min(61, (1 << (psum_width - weight_width - activation_width + 1)) - 1)
    rng = np.random.default_rng(weight_width)
    for direction in Direction:
        for shape, density, extreme in (
            ((19, cols), 0.6, False),
            ((19, cols), 1.0, True),
            ((3, 1), 1.0, False),
        ):
            layer = random_layer(rng, arch, shape, direction, density, extreme=extreme)
            activations = random_activations(rng, arch, layer, 5)
            activations[:, 4] = signed_range(activation_width)[0]
            packed = packed_layer(layer, arch)
            answer = execute(job_stream(packed, activations, arch), arch)
            assert np.array_equal(packed.weights, layer.weights)
            assert np.array_equal(read_outputs(answer, packed, 5, arch).outputs, matmul(layer, activations))


# A weight w in one half of the inputs adds 4096 w to every psum; 17 bits hold 65535.
@pytest.mark.parametrize(
    ("clusters", "halves", "fits"),
    [
        (2, (10, -10), True),
        (2, (10, 10), False),
        (2, (24, -15), False),
        (2, (-15, 24), False),
        (1, (10, -10), True),
        (1, (10, 10), False),
    ],
    ids=["fits", "sum of parts", "first part", "second part", "whole block fits", "whole block"],
)
def test_the_reference_refuses_what_17_bits_do_not_hold(
    clusters: int, halves: tuple[int, int], fits: bool
) -> None:
    fields = {"clusters": clusters, "activation_depth": 1024, "value_depth": 4096}
    arch, narrow = (ARCH.model_copy(update={**fields, "psum_width": width}) for width in (32, 17))
    weights = np.repeat(np.array(halves, np.int8), 32)[None].repeat(8, axis=0)
    mask, scales = np.ones(weights.shape, np.bool_), np.ones(8, np.float32)
    packed = packed_layer(
        QuantizedLayer("halves", weights, mask, Direction.VERTICAL, np.arange(8), scales), arch
    )
    assert [len(one.parts) for one in packed.passes[0].clusters] == [1] * clusters
    # Packed for 17 bits it would be refused: the fingerprint is changed behind the packer's back.
    stream = b"".join(
        frame_packet(
            replace(one.header, argument=narrow.fingerprint)
            if one.header.opcode == Opcode.BEGIN
            else one.header,
            one.payload,
            8,
        )
        for one in read_packets(job_stream(packed, np.full((64, 1), -128), arch), 8)
    )

    if fits:
        assert not read_outputs(execute(stream, narrow), packed, 1, narrow).outputs.any()
    else:
        with pytest.raises(FormatError, match=r"a psum of cluster . overflows 17 bits"):
            execute(stream, narrow)


def example() -> tuple[PackedLayer, NDArray[np.int64], bytes]:
    """A layer of several passes, its activations, and the answer to them."""
    rng = np.random.default_rng(5)
    layer = random_layer(rng, ARCH, (29, 21), Direction.VERTICAL, 0.6)
    activations = random_activations(rng, ARCH, layer, 5)
    packed = packed_layer(layer, ARCH)
    return packed, activations, execute(job_stream(packed, activations, ARCH), ARCH)


LAYER, ACTIVATIONS, ANSWER = example()
DONE = frame_answer(
    Header(Opcode.DONE, len(COUNTERS)), b"".join(n.to_bytes(8, "little") for n in range(len(COUNTERS))), 8
)


def test_one_column_fills_a_stream_word_from_lane_0_up() -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=5, stream_width=64)
    layer = random_layer(np.random.default_rng(0), arch, (1, 3), Direction.VERTICAL, 1.0)
    stream = job_stream(packed_layer(layer, arch), np.arange(15).reshape(3, 5), arch)
    words = bytes([0, 5, 1, 6, 2, 7, 3, 8]) + bytes([4, 9, 0, 0, 0, 0, 0, 0])
    assert words + bytes([10, 0, 11, 0, 12, 0, 13, 0]) + bytes([14, 0, 0, 0, 0, 0, 0, 0]) in stream


def test_counters_come_from_done() -> None:
    result = read_outputs(ANSWER + DONE, LAYER, 5, ARCH)
    assert result.counters == {name: n for n, name in enumerate(COUNTERS)}


def test_errors_are_returned_as_sentences() -> None:
    error = frame_answer(Header(Opcode.ERROR, 0, Opcode.VALUES, ErrorCode.BAD_CRC), b"", 8)
    result = read_outputs(ANSWER[:0] + error, LAYER, 5, ARCH)
    assert result.errors == ("the accelerator refused the stream: BAD_CRC at a packet with opcode 0x05",)
    assert not result.outputs.any() and result.outputs.shape == (29, 5)


def test_missing_repeated_and_foreign_blocks_are_found() -> None:
    size = (ARCH.words_per_block + 2) * 8
    for damaged, message in [
        (ANSWER[size:], "came twice|ends without|has no part"),
        (ANSWER[:-size], "the answer ends without block"),
        (ANSWER[:size] + ANSWER, "came twice"),
        (ANSWER + ANSWER[:size], "more packets follow"),
        (DONE + ANSWER, "must end with its only DONE"),
        (b"", "pass 0, tile 0: the answer ends without block"),
    ]:
        with pytest.raises(FormatError, match=message):
            read_outputs(damaged, LAYER, 5, ARCH)


def test_psums_of_one_job_may_come_in_any_order() -> None:
    size, jobs = (ARCH.words_per_block + 2) * 8, []
    rest, rng = ANSWER, np.random.default_rng(7)
    for one in LAYER.passes:
        blocks = len({part.block for cluster in one.clusters for part in cluster.parts})
        for _ in range(2):
            packets = [rest[n * size : (n + 1) * size] for n in range(blocks)]
            jobs += [packets[n] for n in rng.permutation(blocks)]
            rest = rest[blocks * size :]
    assert rest == b"" and len(list(read_answers(ANSWER, 8))) == len(jobs)
    expected = read_outputs(ANSWER, LAYER, 5, ARCH).outputs
    assert np.array_equal(read_outputs(b"".join(jobs), LAYER, 5, ARCH).outputs, expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_answers_and_streams_raise_format_errors(data: st.DataObject) -> None:
    stream = job_stream(LAYER, ACTIVATIONS, ARCH)
    for good, read in (
        (ANSWER, lambda bad: read_outputs(bad, LAYER, 5, ARCH)),
        (stream, lambda bad: execute(bad, ARCH)),
    ):
        damaged = bytearray(good)
        damaged[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(FormatError):
            read(bytes(damaged))


def test_activations_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiplies 21 x N activations"):
        job_stream(LAYER, ACTIVATIONS[:-1], ARCH)
    with pytest.raises(ConfigError, match="must be integers, not float64"):
        job_stream(LAYER, ACTIVATIONS * 1.0, ARCH)
    with pytest.raises(ConfigError, match="must lie in -128 to 127, not"):
        job_stream(LAYER, ACTIVATIONS + 128, ARCH)
