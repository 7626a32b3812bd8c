"""Kept weights that make up for the pruned ones: least squares on a mask, and pruning in steps with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from spec.errors import ConfigError
from sw.mask_search import MaskChooser
from sw.scores import Score, score_weights
from sw.statistics import DAMPING, LayerStatistics, collect_statistics, damped
from sw.targets import Role, Target
from sw.task import Task

__all__ = ["prune_stepwise", "refit_rows"]


def refit_rows(
    weight: torch.Tensor,
    mask: torch.Tensor,
    hessian: torch.Tensor,
    *,
    target: torch.Tensor | None = None,
    cross: torch.Tensor | None = None,
    damping: float = DAMPING,
    tolerance: float = 1e-4,
    steps: int = 100,
) -> torch.Tensor:
    """Return the weights on ``mask`` whose outputs come closest to those of the dense matrix.

    Every row w minimizes E‖w·x̂ - t·x‖² + δ‖w - t‖² over its mask, where t is the row of ``target``, x̂ the
    input now, x the dense model's, and δ is ``damping`` times the mean of E[x̂²]. All rows go down together
    by conjugate gradients; the inverse of the whole Hessian preconditions them. Memory is 6·M·K + 3·K²
    numbers, work 4·M·K² operations per step.

    Parameters
    ----------
    weight : Tensor, shape (M, K)
        Start of the search.
    mask : Tensor of bool, shape (M, K)
    hessian : Tensor, shape (K, K)
        E[x̂·x̂ᵀ]. Its type and device are those of the computation.
    target : Tensor, shape (M, K), optional
        Dense weights; ``weight`` if left out.
    cross : Tensor, shape (K, K), optional
        E[x̂·xᵀ]; ``hessian`` if left out, so the dense matrix is given the inputs of now.
    damping : float
    tolerance : float
        A row is done when its error, as a root mean square, exceeds the least by at most this share of the
        dense output: √(error² - least²) ≤ tolerance·√E[(t·x̂)²].
    steps : int
        Most steps.

    Returns
    -------
    Tensor, shape (M, K)
        As ``weight`` in type and device; 0 off the mask.

    Raises
    ------
    ConfigError
        If shapes do not fit or ``damping`` is not above 0.
    """
    dense = weight if target is None else target
    moment = hessian if cross is None else cross
    square = (weight.shape[1], weight.shape[1])
    _check_shape("mask", mask, tuple(weight.shape))
    _check_shape("target", dense, tuple(weight.shape))
    _check_shape("hessian", hessian, square)
    _check_shape("cross", moment, square)
    curvature = damped(hessian, damping)
    dense, kept, found = dense.to(hessian), mask.to(hessian), weight.to(hessian) * mask.to(hessian)
    energy = _inner(dense, dense @ curvature)
    # rᵀ·(H⁻¹)_ss·r bounds rᵀ·(H_ss)⁻¹·r, the squared error above the least one.
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(curvature))
    pull = (curvature - hessian).diagonal().mean()
    residual = kept * (dense @ moment.T + pull * dense - found @ curvature)
    downhill = kept * (residual @ inverse)
    excess = _inner(residual, downhill)
    path = downhill
    for _ in range(steps):
        if bool((excess <= tolerance**2 * energy).all()):
            break
        bent = kept * (path @ curvature)
        stride = _ratio(excess, _inner(path, bent))
        found = found + stride * path
        residual = residual - stride * bent
        downhill = kept * (residual @ inverse)
        before, excess = excess, _inner(residual, downhill)
        path = downhill + _ratio(excess, before) * path
    return found.to(weight)


def prune_stepwise(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    choose: MaskChooser,
    *,
    score: Score,
    kept_schedule: Sequence[int],
    calibration_batches: int,
    size: int,
    generator: torch.Generator,
    device: torch.device,
    refit: bool = True,
    by_layer: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Prune ``model`` in place without training it: step by step, kept weights making up for pruned ones.

    Every step scores the model as it is, lets ``choose`` pick masks, prunes, and then refits matrix by
    matrix in the order of the model's calls: towards the dense weights, on inputs from what is pruned and
    refitted already. Pruned weights score 0, so masks are nested as long as ``choose`` takes the strongest;
    what it revives in spite of that is refitted like the rest.

    Parameters
    ----------
    model : Module
        On ``device``.
    targets : mapping of str to Target
        With plain parameters: parametrizations would not see what is written.
    task : Task
        Its training batches calibrate.
    choose : callable
    score : Score
        Any that needs no training.
    kept_schedule : sequence of int
        Weights to keep of all targets after every step, falling.
    calibration_batches : int
        For every collection: one per step for the scores, one per matrix for refitting.
    size : int
        Samples per batch.
    generator : Generator
        Draws the batches, fresh ones for every collection.
    device : torch.device
    refit : bool
        Otherwise kept weights keep their dense values.
    by_layer : bool
        Collect inputs once per transformer layer instead of once per matrix: four times faster, with inputs
        from before the refit of the same layer.
    progress : callable, optional
        Called with the weights done since the last call; they add up to all weights times all steps.

    Returns
    -------
    dict of str to Tensor of bool, shape (M, K)
        What ``choose`` returned in the last step.

    Raises
    ------
    ConfigError
        If the score needs training, the schedule does not fall within the targets' weights, or ``choose``
        returns masks that do not fit.
    """
    if score.needs_training:
        raise ConfigError(f"score `{score.value}` needs fine-tuning; prune in steps with `fisher`")
    _check_schedule(kept_schedule, sum(target.rows * target.cols for target in targets.values()))
    _check_plain(targets)

    collect = partial(collect_statistics, model, task=task, size=size, generator=generator, device=device)
    dense = {name: target.weight() for name, target in targets.items()}
    # Before anything is pruned: a target that cannot be refitted is refused here.
    order = list(collect(targets, batches=1, gradients=False, hessian=refit))
    masks: dict[str, torch.Tensor] = {}
    for kept in kept_schedule:
        statistics: Mapping[str, LayerStatistics] = {}
        if score.needs_gradients or score.needs_hessian:
            statistics = collect(
                targets,
                batches=calibration_batches,
                gradients=score.needs_gradients,
                hessian=score.needs_hessian,
            )
        masks = _checked_masks(choose(_scores(targets, score, statistics), kept), targets)
        for name, target in targets.items():
            target.assign((target.weight() if refit else dense[name]) * masks[name])
        for names in _together(order, targets, by_layer):
            if refit:
                group = {name: targets[name] for name in names}
                for name, inputs in collect(group, batches=calibration_batches, gradients=False).items():
                    hessian = inputs.known_hessian().to(device)
                    start = targets[name].weight()
                    targets[name].assign(refit_rows(start, masks[name], hessian, target=dense[name]))
            if progress is not None:
                progress(sum(dense[name].numel() for name in names))
    return masks


def _scores(
    targets: Mapping[str, Target], score: Score, statistics: Mapping[str, LayerStatistics]
) -> dict[str, NDArray[np.float32]]:
    """Scores of the weights as they are: pruned ones are 0, and so is every score of a 0."""
    return {
        name: score_weights(target.weight().numpy(), score, statistics=statistics.get(name))
        for name, target in targets.items()
    }


def _together(names: Sequence[str], targets: Mapping[str, Target], by_layer: bool) -> Iterator[list[str]]:
    """Matrices whose inputs are collected at once."""

    def layer(name: str) -> str:
        known = by_layer and targets[name].role is not Role.OTHER
        return name.rpartition(".")[0] if known else name

    for _, group in groupby(names, key=layer):
        yield list(group)


def _check_schedule(kept_schedule: Sequence[int], weights: int) -> None:
    counts = list(kept_schedule)
    if not counts or counts[0] > weights or counts[-1] < 0:
        raise ConfigError(f"`kept_schedule` must hold counts from 0 to the {weights} weights, not {counts}")
    if any(after >= before for before, after in pairwise(counts)):
        raise ConfigError(f"`kept_schedule` must fall from step to step, not {counts}")


def _check_plain(targets: Mapping[str, Target]) -> None:
    for name, target in targets.items():
        if any(parametrize.is_parametrized(module, "weight") for module in target.modules):
            raise ConfigError(f"the weight of {name} is parametrized; remove its parametrization first")


def _checked_masks(
    masks: Mapping[str, NDArray[np.bool_]], targets: Mapping[str, Target]
) -> dict[str, torch.Tensor]:
    if masks.keys() != targets.keys():
        raise ConfigError(f"`choose` must return a mask for each of {list(targets)}, not {list(masks)}")
    checked = {}
    for name, target in targets.items():
        checked[name] = torch.tensor(masks[name], dtype=torch.bool)
        _check_shape(f"mask of {name}", checked[name], (target.rows, target.cols))
    return checked


def _check_shape(name: str, found: torch.Tensor, shape: tuple[int, ...]) -> None:
    if tuple(found.shape) != shape:
        raise ConfigError(f"`{name}` must have shape {shape}, not {tuple(found.shape)}")


def _inner(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return the inner product of every row, shape (M, 1)."""
    return (left * right).sum(dim=1, keepdim=True)


def _ratio(over: torch.Tensor, under: torch.Tensor) -> torch.Tensor:
    """Return the quotient; 0 for a row that has arrived."""
    return torch.where(under > 0, over / under, 0)
