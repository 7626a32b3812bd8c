"""Calibration of inputs: the clip of least error, smoothing as published, nothing left behind."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from spec.errors import ConfigError
from sw.input_quantizer import InputOptions
from sw.targets import find_targets
from tests.sampled_task import Samples, calibrate


def normal(generator: torch.Generator) -> torch.Tensor:
    return torch.randn(500, 8, generator=generator)


def squared_error(x: np.ndarray, scale: float, limit: int) -> float:
    """Mean squared error of quantizing ``x``."""
    integers = np.clip(np.rint(x / scale), -limit, limit)
    return float(np.square(integers * scale - x).mean())


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize(
    "draw",
    [
        lambda generator, n: torch.rand(500, 8, generator=generator) - 0.5,
        lambda generator, n: normal(generator),
        lambda generator, n: normal(generator) ** 3,
        lambda generator, n: normal(generator).relu(),
        lambda generator, n: normal(generator) * 1e-18,
        lambda generator, n: normal(generator) * 10.0 ** (n - 1),
        lambda generator, n: normal(generator) * 10.0 ** (1 - n),
        lambda generator, n: normal(generator) * (n % 2),
    ],
    ids=["uniform", "normal", "heavy", "relu", "tiny", "growing", "shrinking", "zeros"],
)
def test_the_clip_has_the_least_squared_error(
    draw: Callable[[torch.Generator, int], torch.Tensor], width: int
) -> None:
    task, model = Samples(draw), nn.Sequential(nn.Linear(8, 1))

    (inputs,) = calibrate(model, find_targets(model), task, width=width).values()
    scale = inputs.scale
    assert scale is not None

    x, limit = torch.cat(task.drawn).numpy().astype(np.float64), 2 ** (width - 1) - 1
    least = min(squared_error(x, np.abs(x).max() / limit * n / 1000, limit) for n in range(1, 1001))
    assert len(task.drawn) == 3 and float(np.float32(scale)) == scale
    assert squared_error(x, scale, limit) <= 1.02 * least


def test_inputs_of_zeros_have_scale_1() -> None:
    model = nn.Sequential(nn.Linear(8, 1))

    assert calibrate(model, find_targets(model), Samples(lambda *_: torch.zeros(2, 8)))["0"].scale == 1.0


def test_calibration_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Identity().eval(), nn.Dropout(0.9), nn.Linear(8, 1))
    task = Samples(lambda generator, _: normal(generator))

    (before,) = calibrate(model, find_targets(model), task).values()

    assert [module.training for module in model.modules()] == [True, False, True, True]
    assert not any(module._forward_pre_hooks for module in model.modules())
    model.eval()
    (after,) = calibrate(model, find_targets(model), task).values()
    assert before.scale == after.scale


def test_calibration_that_cannot_be_is_refused() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
    targets = find_targets(model)
    task = Samples(lambda generator, _: normal(generator))
    infinite = Samples(lambda *_: torch.full((1, 8), float("inf")))

    with pytest.raises(ConfigError, match="inputs of 0 must be finite, but some are NaN or infinite"):
        calibrate(model, targets, infinite)
    assert not any(module._forward_pre_hooks for module in model.modules())
    with pytest.raises(ConfigError, match="target 1 must run to be calibrated"):
        calibrate(nn.Sequential(model[0]), targets, task)
    with pytest.raises(ConfigError, match="batches must be at least 1, not 0"):
        calibrate(model, targets, task, batches=0)
    with pytest.raises(ConfigError, match="width must be from 2 to 8 bits, not 16"):
        calibrate(model, targets, task, width=16)


def outlying(generator: torch.Generator, _: int) -> torch.Tensor:
    """Inputs of which the first is fifty times as large as the others, the second never there."""
    return normal(generator) * torch.tensor([50.0, 0, 1, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("per_token", [False, True])
def test_smoothing_is_the_published_one_in_powers_of_two(strength: float, per_token: bool) -> None:
    """Equation 4 of SmoothQuant, up to a factor for all inputs, and half an octave of rounding."""
    task, model = Samples(outlying), nn.Linear(8, 5)
    with torch.no_grad():
        model.weight[:, 3] = 0

    (inputs,) = calibrate(model, find_targets(model), task, per_token=per_token, smoothing=strength).values()

    assert (inputs.scale is None) == per_token
    assert inputs.smoothing is not None and inputs.smoothing.dtype == np.int8
    largest = torch.cat(task.drawn).abs().amax(dim=0).numpy().astype(np.float64)
    weights = model.weight.detach().abs().amax(dim=0).numpy().astype(np.float64)
    usual = [0, 2, 4, 5, 6, 7]  # 1 is never there, 3 has no weights
    with np.errstate(divide="ignore"):
        published = np.log2(largest**strength / weights ** (1 - strength))
    distance = inputs.smoothing[usual] - published[usual]
    assert distance.max() - distance.min() <= 1 + 1e-9
    # What calibration never saw stays as it is; an input without weights is no larger than the others.
    assert inputs.smoothing[1] == 0
    divided = largest / np.exp2(inputs.smoothing)
    assert divided[3] <= 2 * np.median(divided[usual])


def test_smoothing_makes_outlying_inputs_cost_less() -> None:
    """What it is for: the product in integers is nearer to the float one, with one scale and with many."""
    task, model = Samples(outlying), nn.Linear(8, 32, bias=False)
    with torch.no_grad():
        model.weight[:, 0] /= 50  # an outlying input has small weights, or it would be all that counts
    (target,) = find_targets(model).values()
    x = outlying(torch.Generator().manual_seed(5), 0)
    exact = x @ target.weight().T
    errors = []
    for per_token in (False, True):
        for strength in (0.0, 0.5):
            (inputs,) = calibrate(
                model, {target.name: target}, task, width=4, per_token=per_token, smoothing=strength
            ).values()
            product = inputs.rounded(x) @ target.weight().T
            errors.append(float((product - exact).square().mean()))

    assert errors[1] < errors[0] / 4 and errors[3] < errors[2] / 4
    assert errors[2] < errors[0]


def test_smoothing_out_of_range_is_refused() -> None:
    for strength in (-0.1, 1.5):
        with pytest.raises(ConfigError, match=f"smoothing must be from 0 to 1, not {strength}"):
            InputOptions(smoothing=strength)
