"""Symmetric integers: no clipping, half a step of error, bfloat16 scales."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spec.errors import ConfigError
from sw.quantize import quantize_activations, quantize_rows, round_up_bfloat16

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
def test_scales_are_bfloat16_and_as_small_as_may_be(weight: np.ndarray, width: int) -> None:
    _, scales = quantize_rows(weight, width)

    assert scales.dtype == np.float32
    tensor = torch.from_numpy(scales)
    assert torch.equal(tensor.bfloat16().float(), tensor)
    largest = np.abs(weight).max(axis=1).astype(np.float64) / (2 ** (width - 1) - 1)
    assert (scales[largest == 0] == 1).all()
    live = largest > 0
    below = (tensor.bfloat16().view(torch.int16) - 1).view(torch.bfloat16).float().numpy()
    assert (scales[live] >= largest[live]).all() and (below[live] < largest[live]).all()


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
    assert scales.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, 1.0), (1.0 + 2**-7, 1.0 + 2**-7), (1.0 + 2**-30, 1.0 + 2**-7), (1.996, 2.0), (2**-140, 2**-133)],
)
def test_rounding_up_to_bfloat16(value: float, expected: float) -> None:
    assert round_up_bfloat16(np.array([value])).tolist() == [expected]


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="every weight must be finite, but 1 of 2"):
        quantize_rows(np.array([[np.nan, 1]]), 8)
    with pytest.raises(ConfigError, match="every activation must be finite, but 2 of 2"):
        quantize_activations(np.array([[np.inf, -np.inf]]), 8)
    with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 9"):
        quantize_rows(np.ones((1, 1)), 9)
    with pytest.raises(ConfigError, match="too large"):
        quantize_rows(np.full((1, 1), 1e300), 8)
