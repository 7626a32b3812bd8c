"""Planes and the VALUES payload: every width fills its words, and every weight comes back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.planes import Plane, weight_planes
from sw.reference import decode_values
from sw.values import pack_values, unpack_values

WIDTHS = range(2, 9)


def arch_of(width: int, lanes: int = 4, stream_width: int = 64) -> ArchConfig:
    """An architecture whose words hold ``lanes`` weights of ``width`` bits."""
    return ArchConfig(clusters=1, lanes=lanes, tokens=1, weight_width=width, stream_width=stream_width)


@st.composite
def archs(draw: st.DrawFn) -> ArchConfig:
    lanes = draw(st.sampled_from([1, 2, 4, 8]))
    return arch_of(draw(st.integers(2, 8)), lanes, draw(st.sampled_from([64, 128, 256])))


def test_3_bits_are_a_plane_of_2_and_above_it_one_of_1() -> None:
    assert weight_planes(3) == (Plane(0, 2, first=0, words=2), Plane(2, 1, first=2, words=1))


@pytest.mark.parametrize("width", WIDTHS)
def test_planes_tile_the_weight_and_its_stripe(width: int) -> None:
    planes = weight_planes(width)

    bits = [bit for plane in planes for bit in range(plane.offset, plane.offset + plane.width)]
    words = [word for plane in planes for word in range(plane.first, plane.first + plane.words)]
    assert bits == list(range(width))
    assert words == list(range(len(words)))
    assert all(plane.width & (plane.width - 1) == 0 and plane.first % plane.words == 0 for plane in planes)
    assert (len(planes) == 1) == (width in (2, 4, 8))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_bit_of_a_stripe_is_wasted(width: int) -> None:
    arch = arch_of(width)

    stripe = pack_values(np.full((arch.beats_per_stripe, arch.lanes), -1, np.int8), arch)

    assert stripe == b"\xff" * (arch.words_per_stripe * arch.stream_width // 8)
    assert arch.words_per_stripe * arch.stream_width == arch.beats_per_stripe * arch.lanes * width


def test_a_3_bit_beat_lies_in_the_first_and_the_third_word() -> None:
    beats = np.array([[1, -1, -4, 3], [0, 0, 2, 0]], np.int8)

    payload = pack_values(beats, arch_of(3))

    # Low two bits 01 11 00 11 and 00 00 10 00; signs 0 1 1 0 and 0 0 0 0; lane 0 lowest.
    assert payload == bytes([0b11001101, 0b00100000, *[0] * 14, 0b0110, *[0] * 7])


@settings(deadline=None)
@given(arch=archs(), count=st.integers(0, 200), seed=st.integers(0, 1 << 32))
def test_values_round_trip(arch: ArchConfig, count: int, seed: int) -> None:
    high = 1 << (arch.weight_width - 1)
    beats = np.random.default_rng(seed).integers(-high, high, (count, arch.lanes), dtype=np.int8)

    payload = pack_values(beats, arch)

    stripes = -(-count // arch.beats_per_stripe)
    assert len(payload) * 8 == stripes * arch.words_per_stripe * arch.stream_width
    decoded = unpack_values(payload, arch)
    assert decoded.dtype == np.int8
    assert np.array_equal(decoded[:count], beats) and not decoded[count:].any()
    assert np.array_equal(decode_values(payload, count, arch), beats)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_one_plane_is_packed_without_gaps(width: int) -> None:
    arch = arch_of(width)
    beats = np.random.default_rng(width).integers(-2, 2, (9, 4), dtype=np.int8)

    number = sum((int(w) & ((1 << width) - 1)) << (n * width) for n, w in enumerate(beats.reshape(-1)))

    assert int.from_bytes(pack_values(beats, arch), "little") == number


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight_width": 1}, "`weight_width` must be greater than or equal to 2, not 1"),
        ({"weight_width": 9}, "`weight_width` must be less than or equal to 8, not 9"),
        ({"activation_width": 3}, "`activation_width` must be a power of two from 2 to 8, not 3"),
        ({"psum_width": 15}, "`psum_width` must be greater than or equal to 16, not 15"),
        ({"psum_width": 33}, "`psum_width` must be less than or equal to 32, not 33"),
        ({"weight_width": 3, "value_depth": 8}, "`value_depth` must"),
        (
            {"weight_width": 3, "value_depth": 16, "stream_width": 128},
            "must hold one stripe, 32 beats, not 16",
        ),
        (
            {"split_slots": 3},
            "`split_slots` must be a power of two from 1 to 256, or 0 with a single cluster, not 3",
        ),
        ({"split_slots": 0, "clusters": 2}, "`split_slots` must .* or 0 with a single cluster, not 0"),
        ({"stream_width": 16}, "`stream_width` must be a power of two from 32 to 1024, not 16"),
        (
            {"stream_width": 32, "clusters": 2},
            "must be at least 64 with split slots or an output stage, not 32",
        ),
        ({"stream_width": 32, "output_blocks": 4}, "set `split_slots` and `output_blocks` to 0"),
        (
            {"stream_width": 32, "activation_depth": 1 << 15},
            "must be at most 65536 inputs with words of 32 bits, .* not 131072",
        ),
        ({"stream_width": 32, "lanes": 8}, "must be at least lanes x weight_width = 64 bits, not 32"),
    ],
)
def test_impossible_formats_are_refused(fields: dict[str, int], message: str) -> None:
    arch = {"clusters": 1, "lanes": 4, "tokens": 1, **fields}
    with pytest.raises(ConfigError, match=message):
        ArchConfig.parse(str(arch).replace("'", '"'))
