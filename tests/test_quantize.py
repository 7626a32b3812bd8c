"""Symmetric integers: no clipping, half a step of error, scales in sixteenth octaves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spec.errors import ConfigError
from sw.quantize import quantize_activations, quantize_rows, scale_codes

MATRICES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@settings(deadline=None)
@given(MATRICES, st.integers(2, 8))
def test_rows_quantize_without_clipping_within_half_a_step(weight: np.ndarray, width: int) -> None:
    integers, scales = quantize_rows(weight, width)

    limit = 2 ** (width - 1) - 1
    assert integers.dtype == np.int8 and np.abs(integers.astype(int)).max() <= limit
    error = np.abs(
        integers.astype(np.float64) * scales[:, None].astype(np.float64) - weight.astype(np.float64)
    )
    assert (error <= scales[:, None].astype(np.float64) * (0.5 + 1e-9)).all()


@settings(deadline=None)
@given(MATRICES, st.integers(2, 8))
def test_scales_are_the_smallest_sixteenth_octaves_that_fit(weight: np.ndarray, width: int) -> None:
    _, scales = quantize_rows(weight, width)

    assert scales.dtype == np.float32
    largest = np.abs(weight).max(axis=1).astype(np.float64) / (2 ** (width - 1) - 1)
    sixteenths = 16 * np.log2(scales.astype(np.float64))
    assert np.abs(sixteenths - np.rint(sixteenths)).max() < 1e-5
    assert (scales >= largest).all()
    step_below = scales.astype(np.float64) * 2 ** (-1 / 16)
    smallest = scales.max().astype(np.float64) * 2 ** (-255 / 16)
    # Neither the range of codes nor that of bases may hold a scale up.
    resolved = (scales > smallest * 1.01) & (scales > 2.0**-110)
    assert (step_below[resolved] < largest[resolved] * (1 + 1e-6)).all()


@settings(deadline=None)
@given(st.integers(-1761, 2032), st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_scales_become_codes_and_back(base: int, codes: list[int]) -> None:
    codes[0] = 0
    scales = np.array([2.0 ** ((base - code) / 16) for code in codes]).astype(np.float32)

    found = scale_codes(scales)

    assert found is not None
    assert found[0] == base and found[1].tolist() == codes


@pytest.mark.parametrize("scales", [[0.0], [-1.0], [np.nan], [1.0, 1.01], [1.0, 2.0**-17], [np.inf]])
def test_other_numbers_have_no_codes(scales: list[float]) -> None:
    assert scale_codes(np.array(scales, np.float32)) is None


@settings(deadline=None)
@given(MATRICES, st.integers(2, 8))
def test_activations_quantize_within_half_a_step(x: np.ndarray, width: int) -> None:
    integers, scale = quantize_activations(x, width)

    limit = 2 ** (width - 1) - 1
    assert integers.dtype == np.int8 and np.abs(integers.astype(int)).max() <= limit
    assert float(np.float32(scale)) == scale
    assert (np.abs(integers * np.float64(scale) - x) <= scale * (0.5 + 1e-9)).all()
    if np.abs(x).max() > 1e-30:
        assert np.abs(integers.astype(int)).max() == limit


def test_the_largest_weight_of_a_row_is_the_largest_integer() -> None:
    integers, scales = quantize_rows(np.array([[-127.0, 64], [0, 0], [254, 1]]), 8)

    assert integers.tolist() == [[-127, 64], [0, 0], [127, 0]]
    assert scales.tolist() == [1, np.float32(2 ** (-239 / 16)), 2]


def test_3_bits_are_symmetric() -> None:
    integers, scales = quantize_rows(np.array([[-3.0, 1.4, 3, -1.6], [0.75, -0.25, 0, 0.5]]), 3)

    assert integers.tolist() == [[-3, 1, 3, -2], [3, -1, 0, 2]]
    assert scales.tolist() == [1, 0.25]


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="every weight must be finite, but 1 of 2"):
        quantize_rows(np.array([[np.nan, 1]]), 8)
    with pytest.raises(ConfigError, match="every activation must be finite, but 2 of 2"):
        quantize_activations(np.array([[np.inf, -np.inf]]), 8)
    with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 9"):
        quantize_rows(np.ones((1, 1)), 9)
    with pytest.raises(ConfigError, match="too large"):
        quantize_rows(np.full((1, 1), 1e300), 8)
