"""Refitted weights against dense least squares row by row, and pruning in steps on a tiny GPT-2."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from spec.errors import ConfigError
from sw.refit import prune_stepwise, refit_rows
from sw.scores import Score
from sw.targets import Target, find_targets
from tests.tiny_models import StackedModel, TokenTask, tiny_gpt2

CPU = torch.device("cpu")
WEIGHTS = 2 * 12 * 32 * 32
SCHEDULE = (WEIGHTS * 3 // 4, WEIGHTS // 2, WEIGHTS // 5)


def least_squares(
    target: torch.Tensor, mask: torch.Tensor, inputs: torch.Tensor, dense: torch.Tensor
) -> torch.Tensor:
    """Rows of least squares on the mask: outputs of ``inputs`` (tokens x K) like those of ``dense`` inputs.

    Damping is one more token for each input, of the size of the root of 1 % of the mean square.
    """
    tokens, cols = inputs.shape
    strength = (0.01 * inputs.square().mean()).sqrt() * torch.eye(cols, dtype=torch.float64)
    system = torch.cat([inputs / tokens**0.5, strength])
    wanted = torch.cat([dense / tokens**0.5, strength]) @ target.T
    found = torch.zeros_like(target)
    for row, kept in enumerate(mask):
        if kept.any():
            solved = torch.linalg.lstsq(system[:, kept], wanted[:, row : row + 1], driver="gelsd").solution
            found[row, kept] = solved[:, 0]
    return found


def case(seed: int, tokens: int, rows: int = 7, cols: int = 24) -> tuple[torch.Tensor, ...]:
    """Correlated inputs, weights, and a mask with a full and an empty row."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    inputs = random(tokens, cols) @ random(cols, cols) * torch.logspace(-1.5, 0, cols, dtype=torch.float64)
    mask = torch.rand(rows, cols, generator=generator) < torch.linspace(0.1, 0.9, rows)[:, None]
    mask[0], mask[-1] = False, True
    return inputs, random(rows, cols), mask


@pytest.mark.parametrize("tokens", [10, 24, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refitted_rows_are_least_squares_on_the_mask(tokens: int, dtype: torch.dtype) -> None:
    inputs, weight, mask = case(tokens, tokens)
    hessian = (inputs.T @ inputs / tokens).to(dtype)

    found = refit_rows(weight.to(dtype), mask, hessian)

    expected = least_squares(weight, mask, inputs, inputs)
    assert found.dtype == dtype
    assert torch.equal(found[~mask], torch.zeros_like(found[~mask]))
    errors = (found - expected).norm(dim=1) / expected.norm(dim=1).clamp_min(1e-9)
    assert errors.max() < 1e-3
    exact = refit_rows(weight, mask, inputs.T @ inputs / tokens, tolerance=1e-9)
    torch.testing.assert_close(exact, expected, rtol=1e-6, atol=1e-7)


def test_rows_refitted_with_cross_moments_follow_the_dense_inputs() -> None:
    dense, weight, mask = case(1, 300)
    inputs = dense + 0.3 * case(2, 300)[0]
    cross = inputs.T @ dense / 300

    found = refit_rows(weight, mask, inputs.T @ inputs / 300, cross=cross, tolerance=1e-9)

    expected = least_squares(weight, mask, inputs, dense)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    alike = least_squares(weight, mask, inputs, inputs)
    assert (found - alike).norm() > 0.01 * alike.norm()


def test_the_start_does_not_matter_but_the_target_does() -> None:
    inputs, weight, mask = case(3, 100)
    hessian = inputs.T @ inputs / 100

    found = refit_rows(case(4, 10)[1], mask, hessian, target=weight, tolerance=1e-9)

    torch.testing.assert_close(found, least_squares(weight, mask, inputs, inputs), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 20), st.integers(2, 60), st.integers(0, 12))
def test_refitting_never_adds_to_the_error_of_plain_masking(seed: int, tokens: int, steps: int) -> None:
    inputs, weight, mask = case(seed, tokens)

    found = refit_rows(weight, mask, inputs.T @ inputs / tokens, steps=steps)

    refitted = (inputs @ (found - weight).T).square().sum(dim=0)
    masked = (inputs @ (weight * mask - weight).T).square().sum(dim=0)
    assert (refitted <= masked * (1 + 1e-9) + 1e-9).all()
    assert steps < 5 or refitted.sum() < masked.sum() + 1e-9


def test_inputs_of_zero_leave_kept_weights_as_they_are() -> None:
    _, weight, mask = case(5, 10)

    torch.testing.assert_close(refit_rows(weight, mask, torch.zeros(24, 24).double()), weight * mask)


def test_shapes_that_do_not_fit_are_refused() -> None:
    weight, mask = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ConfigError, match=r"`mask` must have shape \(2, 3\), not \(3, 2\)"):
        refit_rows(weight, mask.T, torch.eye(3))
    with pytest.raises(ConfigError, match=r"`hessian` must have shape \(3, 3\), not \(2, 2\)"):
        refit_rows(weight, mask, torch.eye(2))
    with pytest.raises(ConfigError, match=r"`cross` must have shape \(3, 3\), not \(2, 2\)"):
        refit_rows(weight, mask, torch.eye(3), cross=torch.eye(2))
    with pytest.raises(ConfigError, match=r"`target` must have shape \(2, 3\), not \(3, 3\)"):
        refit_rows(weight, mask, torch.eye(3), target=torch.eye(3))


class GlobalChooser:
    """Keeps the strongest weights of all matrices and remembers what it was asked and answered."""

    def __init__(self) -> None:
        self.scores: list[dict[str, NDArray[np.float32]]] = []
        self.masks: list[dict[str, NDArray[np.bool_]]] = []

    def __call__(self, scores: dict[str, NDArray[np.float32]], kept: int) -> Mapping[str, NDArray[np.bool_]]:
        flat = np.concatenate([values.ravel() for values in scores.values()])
        chosen = np.zeros(flat.size, bool)
        chosen[np.argsort(-flat, kind="stable")[:kept]] = True
        ends = np.cumsum([values.size for values in scores.values()])[:-1]
        parts = zip(scores.items(), np.split(chosen, ends), strict=True)
        self.scores.append(scores)
        self.masks.append({name: part.reshape(values.shape) for (name, values), part in parts})
        return self.masks[-1]


def prune(
    model: nn.Module,
    targets: Mapping[str, Target],
    chooser: Any,
    task: TokenTask | None = None,
    **options: Any,
) -> dict[str, torch.Tensor]:
    wanted: dict[str, Any] = {
        "score": Score.FISHER,
        "kept_schedule": SCHEDULE,
        "calibration_batches": 2,
        "size": 8,
    } | options
    generator = torch.Generator().manual_seed(6)
    task = task or TokenTask()
    return prune_stepwise(model, targets, task, chooser, generator=generator, device=CPU, **wanted)


def inputs_of(model: nn.Module, task: TokenTask, target: Target) -> torch.Tensor:
    """What the target meets in the task's fixed batch, tokens x K."""
    seen = []
    handle = target.modules[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten(0, -2)))
    with torch.no_grad():
        task.outputs(model, task.batches[0])
    handle.remove()
    return torch.cat(seen).double()


@pytest.mark.parametrize("score", [Score.MAGNITUDE, Score.ACTIVATION, Score.FISHER, Score.SECOND_ORDER])
@pytest.mark.parametrize("refit", [True, False])
def test_masks_are_nested_and_pruned_weights_are_zero(score: Score, refit: bool) -> None:
    model, chooser = tiny_gpt2(), GlobalChooser()
    targets = find_targets(model)
    dense = {name: target.weight() for name, target in targets.items()}

    masks = prune(model, targets, chooser, score=score, refit=refit)

    assert [sum(int(mask.sum()) for mask in step.values()) for step in chooser.masks] == list(SCHEDULE)
    for name, target in targets.items():
        assert np.array_equal(masks[name].numpy(), chooser.masks[-1][name])
        assert not target.weight()[~masks[name]].any()
        assert refit or torch.equal(target.weight(), dense[name] * masks[name])
        for before, after in zip(chooser.masks, chooser.masks[1:], strict=False):
            assert not (after[name] & ~before[name]).any()
        for step, scores in enumerate(chooser.scores[1:]):
            assert not scores[name][~chooser.masks[step][name]].any()


@pytest.mark.parametrize("backwards", [False, True])
def test_every_matrix_is_fitted_to_dense_weights_on_inputs_from_the_pruned_model(backwards: bool) -> None:
    model, task = tiny_gpt2(), TokenTask(fixed=True)
    targets = find_targets(model)
    dense = {name: target.weight().double() for name, target in targets.items()}
    given = dict(reversed(targets.items())) if backwards else targets

    masks = prune(model, given, GlobalChooser(), task)

    # What comes before a matrix is final when it is refitted, so the finished model shows its inputs.
    for name, target in targets.items():
        inputs = inputs_of(model, task, target)
        expected = least_squares(dense[name], masks[name], inputs, inputs)
        torch.testing.assert_close(target.weight().double(), expected, rtol=1e-3, atol=1e-3)


def test_by_layer_inputs_are_collected_once_per_layer() -> None:
    model, task = tiny_gpt2(), TokenTask(fixed=True)
    targets = find_targets(model)
    dense = {name: target.weight().double() for name, target in targets.items()}

    masks = prune(model, targets, GlobalChooser(), task, by_layer=True)

    assert len(task.batches) == 1 + 3 * 2 * (1 + 2)
    for name in ("layer0.qkv", "layer1.qkv"):
        inputs = inputs_of(model, task, targets[name])
        expected = least_squares(dense[name], masks[name], inputs, inputs)
        torch.testing.assert_close(targets[name].weight().double(), expected, rtol=1e-3, atol=1e-3)


def test_refitting_brings_outputs_closer_to_the_dense_model() -> None:
    errors = {}
    for refit in (True, False):
        model = tiny_gpt2()
        dense = copy.deepcopy(model)
        prune(model, find_targets(model), GlobalChooser(), refit=refit, calibration_batches=4)
        task, generator = TokenTask(), torch.Generator().manual_seed(8)
        batch = task.batch(16, generator, CPU)
        with torch.no_grad():
            errors[refit] = float(
                task.distance(task.outputs(model, batch), task.outputs(dense, batch), batch)
            )

    assert errors[True] < 0.8 * errors[False]


def test_progress_adds_up_to_all_weights_times_all_steps() -> None:
    model, done = tiny_gpt2(), list[int]()

    prune(model, find_targets(model), GlobalChooser(), progress=done.append, refit=False)

    assert sum(done) == 3 * WEIGHTS


def test_the_same_generator_prunes_alike() -> None:
    models = tiny_gpt2(), tiny_gpt2()
    for model in models:
        prune(model, find_targets(model), GlobalChooser())

    pairs = zip(*(model.state_dict().values() for model in models), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_bad_requests_leave_the_model_alone() -> None:
    model = StackedModel()
    targets = {"key": Target("key", (model.key,), False)}
    before = copy.deepcopy(model.state_dict())

    def refused(text: str, chooser: Any = lambda scores, kept: {}, **options: Any) -> None:
        with pytest.raises(ConfigError, match=text):
            prune(model, options.pop("targets", targets), chooser, **({"kept_schedule": [12, 5]} | options))

    refused("`movement` needs fine-tuning; prune in steps with `fisher`", score=Score.MOVEMENT)
    refused("must fall from step to step, not .5, 5.", kept_schedule=[5, 5])
    refused("must hold counts from 0 to the 24 weights, not .25, 5.", kept_schedule=[25, 5])
    refused("must hold counts from 0 to the 24 weights, not ..", kept_schedule=[])
    refused("must return a mask for each of .'key'., not ..")
    refused(
        r"`mask of key` must have shape \(4, 6\), not \(2,\)", lambda scores, kept: {"key": [True, False]}
    )
    unused = {"unused": Target("unused", (model.unused,), False)}
    refused("unused is never called", targets=unused, kept_schedule=[4])
    parametrize.register_parametrization(model.query, "weight", nn.Identity())
    refused("weight of query is parametrized", targets={"query": Target("query", (model.query,), False)})
    parametrize.remove_parametrizations(model.query, "weight")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
