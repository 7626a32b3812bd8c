"""A dense model and its task in, a sparse one that still does it out."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.int8 import int8_model
from sw.layer import QuantizedLayer
from sw.mask_search import MaskChooser, MaskSearch
from sw.pattern import Pattern
from sw.prune import PrunedMatrix, describe_mask
from sw.prune_model import PruneOptions, prune_model
from sw.pruned_state import PrunedState
from sw.pruning import Pruning
from sw.quantize import quantize_rows
from sw.recovery import Recovery
from sw.recovery_options import RecoveryOptions
from sw.refit import prune_stepwise
from sw.rest import rest_fingerprint
from sw.rounding import Rounding
from sw.scores import Score, score_weights
from sw.statistics import LayerStatistics, collect_statistics
from sw.targets import Target, find_targets
from sw.task import Task
from sw.units import MatrixShape

__all__ = ["Recipe", "RecoveryMethod", "SparseModel", "matrix_shapes", "sparsify"]


class RecoveryMethod(Enum):
    """What makes up for pruning; the value is its name on the command line."""

    NONE = "none"
    """One cut."""
    ONE_SHOT = "one-shot"
    """Cuts in stages, the kept weights refitted by least squares after each; no training."""
    FINE_TUNE = "fine-tune"
    """Gradual pruning while training."""
    BOTH = "one-shot+fine-tune"
    """One-shot, then training on the fixed mask."""

    @property
    def refits(self) -> bool:
        """Whether it starts with one-shot stages."""
        return self in (RecoveryMethod.ONE_SHOT, RecoveryMethod.BOTH)

    @property
    def trains(self) -> bool:
        """Whether it trains."""
        return self in (RecoveryMethod.FINE_TUNE, RecoveryMethod.BOTH)


@dataclass(frozen=True)
class Recipe:
    """How a model becomes sparse.

    Parameters
    ----------
    prune : PruneOptions
    recovery : RecoveryMethod
    training : RecoveryOptions
        Its score also chooses the one-shot masks, directions and orders; scores that training sums up
        are replaced by magnitude there.
    stages : int
        Cuts of one-shot pruning, densities falling in equal ratios.
    refit : bool
        Refit weights after every cut.
    batches : int
        Calibration batches of ``training.size`` samples.
    inputs : InputOptions
        How inputs are quantized.
    """

    prune: PruneOptions
    recovery: RecoveryMethod = RecoveryMethod.FINE_TUNE
    training: RecoveryOptions = field(default_factory=RecoveryOptions)
    stages: int = 8
    refit: bool = True
    batches: int = 24
    inputs: InputOptions = field(default_factory=InputOptions)

    @property
    def static_score(self) -> Score:
        """The score before any training."""
        return Score.MAGNITUDE if self.training.score.needs_training else self.training.score


@dataclass(frozen=True, eq=False)
class SparseModel:
    """A pruned model with its masks.

    Parameters
    ----------
    model : Module
        Floating point; 0 where pruned.
    targets : dict of str to Target
        Of ``model``.
    pruned : dict of str to PrunedMatrix
    rounding : Rounding
        How its inputs are quantized; its ``inputs`` are those it was trained with, if it was.
    pattern : Pattern
    asked : int
        Weights that were to be kept; patterns round.
    provenance : dict of str to str, int, float, bool or None
        How it was pruned.
    origin : int
        ``sw.rest.rest_fingerprint`` of the whole dense model.
    """

    model: nn.Module
    targets: dict[str, Target]
    pruned: dict[str, PrunedMatrix]
    rounding: Rounding
    pattern: Pattern
    asked: int
    provenance: dict[str, Any]
    origin: int

    def state(self, inputs: Mapping[str, InputQuantizer]) -> PrunedState:
        """Return what another training can start from, or a packed model be made of with these ``inputs``."""
        return PrunedState(
            self.model.state_dict(),
            {name: its.mask for name, its in self.pruned.items()},
            {name: its.placement for name, its in self.pruned.items()},
            inputs,
            self.pruning,
            self.provenance,
        )

    @property
    def pruning(self) -> Pruning:
        """What was asked for."""
        return Pruning(self.pattern, self.asked, self.rounding.options, self.origin)

    def inputs(self) -> dict[str, InputQuantizer]:
        """Return how inputs are quantized: as in training, or calibrated on the model as it is."""
        return self.rounding.inputs or self.rounding.calibrate(self.model, self.targets)

    def quantized(self, arch: ArchConfig, inputs: Mapping[str, InputQuantizer]) -> list[QuantizedLayer]:
        """Return the integer matrices of the layers that ``inputs`` names, ready for ``sw.pack.pack``."""
        layers = []
        for name, its in self.pruned.items():
            if name not in inputs:
                continue
            folded = inputs[name].folded(self.targets[name].weight()).numpy()
            integers, scales = quantize_rows(np.where(its.mask, folded, np.float32(0)), arch.weight_width)
            layer = QuantizedLayer(
                name,
                integers,
                its.mask,
                its.direction,
                its.order,
                scales,
                smoothing=inputs[name].smoothing,
            )
            layers.append(layer)
        return layers

    def integer_model(self, arch: ArchConfig, inputs: Mapping[str, InputQuantizer]) -> nn.Module:
        """Return the model as the accelerator computes it, its inputs quantized by ``inputs``; a copy."""
        layers = {layer.name: layer for layer in self.quantized(arch, inputs)}
        scales = {name: its.scale for name, its in inputs.items()}
        return int8_model(self.model, layers, scales, self.targets, width=arch.activation_width)


def matrix_shapes(targets: dict[str, Target]) -> list[MatrixShape]:
    """Return what masks need to know of every target."""
    return [MatrixShape(name, its.rows, its.cols, its.role, its.heads) for name, its in targets.items()]


def sparsify(
    model: nn.Module,
    task: Task[Any],
    kept: int,
    recipe: Recipe,
    *,
    targets: dict[str, Target] | None = None,
    start: PrunedState | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> SparseModel:
    """Prune ``model`` in place and let it recover.

    Parameters
    ----------
    model : Module
        Any with Linear or Conv1D layers.
    task : Task
    kept : int
        Weights to keep of all targets.
    recipe : Recipe
    targets : dict of str to Target, optional
        Of ``model``; all that ``find_targets`` finds by default.
    start : PrunedState, optional
        Go on from what was pruned before. By the same pattern to the same count its masks stay as they
        are; otherwise masks are searched anew in its weights, and what was pruned is 0 until it is trained.
        ``model`` is still the dense one, for a teacher.
    device : torch.device
    checkpoint : Path, optional
        Where training is saved and resumed; see ``Recovery.run``.
    progress : callable, optional
        Called with the training steps done since the last call.

    Raises
    ------
    ConfigError
        If the model has no matrix to prune or cannot be pruned so.
    """
    device = torch.device(device)
    model.to(device)
    targets = find_targets(model) if targets is None else targets
    shapes, pattern = matrix_shapes(targets), recipe.prune.pattern
    origin = rest_fingerprint(model, ())
    teacher = copy.deepcopy(model) if recipe.recovery.trains and recipe.training.distillation else None
    if start is not None:
        start.check(shapes, origin)
        if recipe.recovery.refits:
            raise ConfigError("one-shot recovery begins with a dense model; start with fine-tune or none")
    going_on = start is not None and start.fits(kept, pattern)
    # Masks are searched in the weights that are pruned again; masks that stay are scored by the dense ones.
    if start is not None and not going_on:
        start.restore(model)
    statistics = _statistics(model, targets, task, recipe, device)
    scores = {
        name: score_weights(its.weight().numpy(), recipe.static_score, statistics=statistics.get(name))
        for name, its in targets.items()
    }
    if start is not None and going_on:
        pruned, placements, masks = {}, dict(start.placements), dict(start.masks)
        start.restore(model)
    else:
        pruned = prune_model(scores, shapes, kept, recipe.prune)
        placements = {name: its.placement for name, its in pruned.items()}
        masks = {name: its.mask for name, its in pruned.items()}
    choose: MaskChooser = MaskSearch(pattern, shapes, placements, recipe.prune.allocation).masks
    if recipe.recovery.refits:
        # A single cut is the one that is there: a budget that had to yield has yielded.
        cut = _fixed(masks) if recipe.stages == 1 else choose
        masks = _refit(model, targets, task, cut, kept, recipe, device)
    rounding = _rounding(task, recipe)
    if recipe.recovery.trains:
        options = recipe.training
        if recipe.recovery.refits or going_on:
            choose, options = _fixed(masks), replace(options, observed=0, ramp=0.0)
        run = Recovery(
            model,
            targets,
            task,
            choose,
            kept,
            options,
            teacher=teacher,
            rounding=rounding if options.quantized else None,
            statistics=statistics,
            device=device,
        )
        trained = run.run(checkpoint=checkpoint, progress=progress)
        assert trained is not None
        masks = trained
    for name, its in targets.items():
        its.assign(its.weight() * torch.from_numpy(masks[name]))
    described = {
        name: describe_mask(
            mask,
            scores[name],
            placements[name],
            pattern.arch,
            pruned[name].strengths if name in pruned else None,
        )
        for name, mask in masks.items()
    }
    facts = _provenance(recipe, task, {} if start is None else start.provenance)
    return SparseModel(model, targets, described, rounding, pattern, kept, facts, origin)


def _provenance(recipe: Recipe, task: Task[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """How a model is pruned, in plain values, if it was already ``before``."""
    training, recovery = recipe.training, recipe.recovery
    facts = {
        **before,
        "mixvec": version("mixvec"),
        "method": recipe.prune.pattern.method.value,
        "metadata_bits": recipe.prune.pattern.metadata_bits,
    }
    if recovery.trains or not before:
        facts |= {"recovery": recovery.value, "score": recipe.static_score.value}
    if recovery.refits:
        facts["stages"] = recipe.stages
    if recovery.trains:
        facts |= {"steps": training.steps + before.get("steps", 0), "size": training.size}
    return facts | {
        "inputs": "per token" if recipe.inputs.per_token else "per tensor",
        "smoothing": recipe.inputs.smoothing,
        "calibration_batches": recipe.batches,
        "calibration": type(task).__name__,
        "seed": training.seed,
    }


def _fixed(masks: dict[str, NDArray[np.bool_]]) -> MaskChooser:
    """Choose these masks whatever the scores."""
    return lambda scores, kept: masks


def _rounding(task: Task[Any], recipe: Recipe) -> Rounding:
    """Return what rounds numbers as the recipe says."""
    arch = recipe.prune.pattern.arch
    return Rounding(
        task,
        batches=recipe.batches,
        size=recipe.training.size,
        weight_width=arch.weight_width,
        activation_width=arch.activation_width,
        seed=recipe.training.seed,
        options=recipe.inputs,
    )


def _refit(
    model: nn.Module,
    targets: dict[str, Target],
    task: Task[Any],
    cut: MaskChooser,
    kept: int,
    recipe: Recipe,
    device: torch.device,
) -> dict[str, NDArray[np.bool_]]:
    """Cut in stages, refitting kept weights after each; return the last masks."""
    found = prune_stepwise(
        model,
        targets,
        task,
        cut,
        kept_schedule=_stages(kept, sum(its.rows * its.cols for its in targets.values()), recipe.stages),
        score=recipe.static_score,
        refit=recipe.refit,
        by_layer=True,
        calibration_batches=recipe.batches,
        size=recipe.training.size,
        generator=torch.Generator().manual_seed(recipe.training.seed),
        device=device,
    )
    return {name: mask.numpy() for name, mask in found.items()}


def _statistics(
    model: nn.Module, targets: dict[str, Target], task: Task[Any], recipe: Recipe, device: torch.device
) -> dict[str, LayerStatistics]:
    """Calibrate what the score needs, on the dense model."""
    score = recipe.static_score
    if not (score.needs_hessian or score.needs_gradients):
        return {}
    return collect_statistics(
        model,
        targets,
        task,
        batches=recipe.batches,
        size=recipe.training.size,
        generator=torch.Generator().manual_seed(recipe.training.seed),
        device=device,
        gradients=score.needs_gradients,
        hessian=score.needs_hessian,
    )


def _stages(kept: int, weights: int, stages: int) -> list[int]:
    """Return falling counts in equal ratios, the last of them ``kept``."""
    ratio = max(kept, 1) / weights
    counts = [round(weights * ratio ** (stage / stages)) for stage in range(1, stages)]
    return list(dict.fromkeys([*counts, kept]))
