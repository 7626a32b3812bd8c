"""What training sees is what `quantize_rows` will store, to the last bit, and its gradient is 1 inside."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spec.errors import ConfigError
from sw.fake_quantize import fake_quantize_inputs, fake_quantize_rows, quantize_inputs
from sw.quantize import quantize_rows


def stored(weight: np.ndarray, width: int) -> np.ndarray:
    """The matrix that a file would hold."""
    integers, scales = quantize_rows(weight, width)
    with np.errstate(over="ignore"):
        product: np.ndarray = integers * scales[:, None]
    return product


def same_bits(left: torch.Tensor, right: np.ndarray) -> bool:
    assert left.dtype == torch.float32 and right.dtype == np.float32
    return np.array_equal(left.detach().numpy().view(np.int32), right.view(np.int32))


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    """Rows of zeros and rows of any magnitude that float32 has, subnormals included."""
    elements = st.floats(-1, 1, width=32)
    weight = draw(
        hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=elements)
    )
    octaves = draw(hnp.arrays(np.int64, len(weight), elements=st.integers(-149, 126)))
    kept = draw(hnp.arrays(np.bool_, len(weight)))
    with np.errstate(under="ignore"):
        scaled: np.ndarray = np.ldexp(weight, octaves[:, None]).astype(np.float32)
    return np.where(kept[:, None], scaled, np.float32(0))


@settings(deadline=None, max_examples=300)
@given(matrices(), st.integers(2, 8))
def test_rows_equal_the_stored_ones_bit_for_bit(weight: np.ndarray, width: int) -> None:
    assert same_bits(fake_quantize_rows(torch.from_numpy(weight), width), stored(weight, width))


@pytest.mark.parametrize("width", range(2, 9))
def test_ties_and_exact_scales_equal_the_stored_ones(width: int) -> None:
    """Weights next to half a step, where a float32 quotient would round to the tie, and maxima at a scale."""
    limit = 2 ** (width - 1) - 1
    scales = np.array([2.0 ** (step / 16) for step in range(-320, 32)], np.float32)
    halves = (np.arange(-limit, limit) + 0.5).astype(np.float32)
    weight = np.concatenate([np.full((1, 1), limit, np.float32), halves[None]], axis=1) * scales[:, None]
    for nudged in (
        weight,
        np.nextafter(weight, np.float32(-np.inf)),
        np.nextafter(weight, np.float32(np.inf)),
    ):
        assert same_bits(fake_quantize_rows(torch.from_numpy(nudged), width), stored(nudged, width))


def test_many_normal_weights_equal_the_stored_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(300, 400, generator=generator) * torch.logspace(-7, 0, 300)[:, None]
    for transposed in (weight, weight.T):
        assert same_bits(fake_quantize_rows(transposed, 8), stored(transposed.numpy(), 8))


@given(matrices(), st.integers(2, 8))
@settings(deadline=None, max_examples=30)
def test_rows_pass_their_gradient_unchanged(weight: np.ndarray, width: int) -> None:
    rows = torch.from_numpy(weight).requires_grad_()
    arriving = torch.arange(rows.numel(), dtype=torch.float32).reshape(rows.shape)

    (gradient,) = torch.autograd.grad(fake_quantize_rows(rows, width), rows, arriving)

    assert torch.equal(gradient, arriving)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_read_only(dtype: torch.dtype) -> None:
    weight = torch.tensor([[1.0, 0.3, -0.7]], dtype=dtype)
    before = weight.clone()

    value = fake_quantize_rows(weight, 4)
    fake_quantize_inputs(weight, 0.1, 4)

    assert torch.equal(weight, before) and same_bits(value, stored(before.numpy(), 4))


def test_rows_of_bfloat16_are_widened() -> None:
    rows = torch.tensor([[1.0, 0.3, -0.7]], dtype=torch.bfloat16, requires_grad=True)

    value = fake_quantize_rows(rows, 4)
    (gradient,) = torch.autograd.grad(value.sum(), rows)

    assert same_bits(value, stored(rows.detach().to(torch.float32).numpy(), 4))
    assert gradient.tolist() == [[1, 1, 1]]


def test_bad_weights_are_refused() -> None:
    for bad in (np.inf, np.nan):
        with pytest.raises(ConfigError, match="must be finite and have float32 scales"):
            fake_quantize_rows(torch.tensor([[1.0, bad]]), 8)
    with pytest.raises(ConfigError, match=r"the largest is 3e\+38"):
        fake_quantize_rows(torch.tensor([[3e38]]), 2)
    with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 1"):
        fake_quantize_rows(torch.ones(1, 1), 1)


INPUTS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-300, 300, width=32))
SCALES = st.floats(2.0**-10, 4.0, width=32)


@settings(deadline=None)
@given(INPUTS, SCALES, st.integers(2, 8))
def test_inputs_round_and_clip(x: np.ndarray, scale: float, width: int) -> None:
    limit = 2 ** (width - 1) - 1
    integers = np.clip(np.rint(x / np.float32(scale)), -limit, limit)

    for given_scale in (scale, torch.tensor(scale), torch.tensor([scale])):
        assert np.array_equal(quantize_inputs(torch.from_numpy(x), given_scale, width).numpy(), integers)
        value = fake_quantize_inputs(torch.from_numpy(x), given_scale, width)
        assert value.dtype == torch.float32
        assert np.array_equal(value.numpy(), integers.astype(np.float32) * np.float32(scale))


def test_inputs_at_ties_divide_by_the_scale() -> None:
    """A multiplication by the rounded 1 / scale, which CUDA makes of a number, rounds some ties elsewhere."""
    halves = np.arange(-126.5, 127, dtype=np.float32)
    for scale in np.linspace(0.001, 0.1, 97, dtype=np.float32):
        x = halves * scale
        integers = quantize_inputs(torch.from_numpy(x), float(scale), 8).numpy()
        assert np.array_equal(integers, np.rint(x / scale))


@settings(deadline=None)
@given(INPUTS, SCALES, st.integers(2, 8))
def test_gradient_of_inputs_is_zero_where_they_clip(x: np.ndarray, scale: float, width: int) -> None:
    inputs = torch.from_numpy(x).requires_grad_()
    step = torch.tensor(scale, requires_grad=True)
    arriving = torch.arange(1.0, len(x) + 1)

    value = fake_quantize_inputs(inputs, step, width)
    gradient, of_step = torch.autograd.grad(value, (inputs, step), arriving, allow_unused=True)

    clipped = np.abs(np.rint(x / np.float32(scale))) > 2 ** (width - 1) - 1
    assert of_step is None
    assert np.array_equal(gradient.numpy(), np.where(clipped, 0, arriving.numpy()))


def test_infinite_inputs_clip_without_gradient() -> None:
    inputs = torch.tensor([np.inf, -np.inf, 0.25], requires_grad=True)

    value = fake_quantize_inputs(inputs, 0.5, 3)
    (gradient,) = torch.autograd.grad(value.sum(), inputs)

    assert value.tolist() == [1.5, -1.5, 0]
    assert gradient.tolist() == [0, 0, 1]


def test_a_width_out_of_range_is_refused() -> None:
    for quantize in (fake_quantize_inputs, quantize_inputs):
        with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 9"):
            quantize(torch.ones(1), 1.0, 9)
