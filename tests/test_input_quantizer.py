"""Inputs to integers: one scale or one per token, outlying inputs divided by powers of two."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spec.errors import ConfigError
from sw.input_quantizer import InputQuantizer
from sw.int8 import Int8Linear

ROWS = hnp.arrays(np.float32, (3, 5), elements=st.floats(-300, 300, width=32))
EXPONENTS = hnp.arrays(np.int8, 5, elements=st.integers(-6, 6))
WIDTHS = st.integers(2, 8)
# Far enough from the smallest normal number for every exponent: below it bits are lost.
NORMAL = st.floats(-8, 8, width=32).map(lambda value: value if abs(value) >= 2.0**-100 else 0.0)


@settings(deadline=None)
@given(ROWS, EXPONENTS, WIDTHS)
def test_every_token_has_its_own_scale(x: np.ndarray, exponents: np.ndarray, width: int) -> None:
    divided = x / np.exp2(exponents.astype(np.float32))
    limit = np.float32(2 ** (width - 1) - 1)
    scales = np.abs(divided).max(axis=1, keepdims=True) / limit
    scales = np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)
    expected = np.clip(np.rint(divided / scales), -limit, limit)

    quantizer = InputQuantizer(None, exponents, width)
    integers, step = quantizer.integers(torch.from_numpy(x))

    assert np.array_equal(integers.numpy(), expected) and np.array_equal(step.numpy(), scales)
    stands_for = expected * scales * np.exp2(exponents.astype(np.float32))
    assert np.array_equal(quantizer.rounded(torch.from_numpy(x)).numpy(), stands_for)


@settings(deadline=None)
@given(ROWS, EXPONENTS, WIDTHS, st.floats(2.0**-10, 4.0, width=32))
def test_one_scale_clips(x: np.ndarray, exponents: np.ndarray, width: int, scale: float) -> None:
    limit = 2 ** (width - 1) - 1
    divided = x / np.exp2(exponents.astype(np.float32))
    expected = np.clip(np.rint(divided / np.float32(scale)), -limit, limit)

    integers, step = InputQuantizer(scale, exponents, width).integers(torch.from_numpy(x))

    assert np.array_equal(integers.numpy(), expected) and float(step) == scale


def test_a_token_of_zeros_is_zeros() -> None:
    x = torch.tensor([[0.0, 0], [1, -2], [1e-44, 0]])

    integers, step = InputQuantizer(None).integers(x)

    assert integers.tolist() == [[0, 0], [64, -127], [0, 0]]
    assert step.flatten().tolist() == [1, float(np.float32(2) / np.float32(127)), 1]


@settings(deadline=None)
@given(hnp.arrays(np.float32, (4, 5), elements=NORMAL), EXPONENTS)
def test_folding_is_exact_and_undone(weight: np.ndarray, exponents: np.ndarray) -> None:
    quantizer = InputQuantizer(1.0, exponents)

    folded = quantizer.folded(torch.from_numpy(weight))

    assert np.array_equal(folded.numpy().astype(np.float64), weight * np.exp2(exponents.astype(np.float64)))
    assert np.array_equal(quantizer.unfolded(folded).numpy(), weight)


def test_a_linear_layer_with_a_scale_per_token_is_numpy_s() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, generator=generator)
    weight = torch.randint(-127, 128, (4, 6), generator=generator).to(torch.int8)
    scales, exponents = torch.rand(4, generator=generator), np.array([3, 0, -2, 0, 1, 0], np.int8)

    outputs = Int8Linear(weight, scales, InputQuantizer(None, exponents), torch.ones(4))(x)

    divided = x.numpy() / np.exp2(exponents.astype(np.float32))
    steps = np.abs(divided).max(axis=-1, keepdims=True) / np.float32(127)
    psums = np.rint(divided / steps).astype(np.int64) @ weight.numpy().T.astype(np.int64)
    expected = psums.astype(np.float32) * (scales.numpy() * steps) + np.float32(1)
    assert np.array_equal(outputs.numpy(), expected)


def test_gradients_pass_to_smoothed_inputs() -> None:
    x = torch.tensor([[8.0, 0.5], [40, -0.25]], requires_grad=True)

    value = InputQuantizer(0.25, np.array([3, 0], np.int8), 4).rounded(x)
    (gradient,) = torch.autograd.grad(value, x, torch.tensor([[1.0, 2], [3, 4]]))

    # 8 / 8 / 0.25 is 4, 40 / 8 / 0.25 is 20 and clips to 7.
    assert value.tolist() == [[8, 0.5], [14, -0.25]]
    assert gradient.tolist() == [[1, 2], [0, 4]]


def test_a_quantizer_comes_back_from_its_state() -> None:
    for smoothing in (None, np.array([1, -1], np.int8)):
        back = InputQuantizer.restored(InputQuantizer(0.5, smoothing, 4).state())

        assert (back.scale, back.width) == (0.5, 4)
        found = None if back.smoothing is None else back.smoothing.tolist()
        assert found == (None if smoothing is None else smoothing.tolist())


def test_what_is_no_quantizer_is_refused() -> None:
    for scale in (0.0, float("nan"), float("inf"), -1.0):
        with pytest.raises(ConfigError, match="must be a positive float32 number, not"):
            InputQuantizer(scale)
    with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 9"):
        InputQuantizer(1.0, width=9)
    with pytest.raises(ConfigError, match="must be 2 int8 exponents, not float64"):
        InputQuantizer(1.0, np.ones(2))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"must have exponents up to \+-30, not 31"):
        InputQuantizer(1.0, np.array([-31], np.int8))
