"""From a dense PyTorch model to one that the accelerator runs."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from codesign.pruned import kept_count
from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.input_batches import InputBatches
from sw.input_quantizer import InputOptions
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.packed_model import PackedModel, rest_fingerprint
from sw.pattern import Pattern
from sw.pretrained import evaluating
from sw.prune_model import PruneOptions
from sw.recovery_options import RecoveryOptions, Trained
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, sparsify
from sw.targets import Target, find_targets
from sw.task import Task

__all__ = ["DEFAULT_INPUTS", "compile_model", "default_recipe"]

_STAGES: Final = 4
DEFAULT_INPUTS: Final = InputOptions(per_token=True, smoothing=0.7)
"""The nearest to a dense MiniLM of those that ``benchmarks.input_scales`` compares."""

Calibration = Task[Any] | Sequence[Mapping[str, torch.Tensor] | torch.Tensor]


def default_recipe(arch: ArchConfig, batches: int) -> Recipe:
    """Return one-shot pruning with a refit after every cut, calibrated on ``batches`` batches.

    Records have no budget: to meet one would take most of the time, and cost quality.
    """
    return Recipe(
        PruneOptions(Pattern(arch), yielding=True),
        RecoveryMethod.ONE_SHOT,
        RecoveryOptions(score=Score.ACTIVATION),
        stages=_STAGES,
        batches=batches,
        inputs=DEFAULT_INPUTS,
    )


def compile_model(
    model: nn.Module,
    arch: ArchConfig,
    sparsity: float,
    calibration: Calibration,
    *,
    recipe: Recipe | None = None,
    inputs: InputOptions | None = None,
    provenance: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
    checkpoint: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> PackedModel:
    """Prune a copy of ``model``, quantize it and pack it; ``model`` itself stays as it is.

    Parameters
    ----------
    model : Module
        Of the BERT or GPT-2 family, or any with Linear or Conv1D layers.
    arch : ArchConfig
    sparsity : float
        Fraction pruned of all layers together, 0 to 1.
    calibration : Task, or sequence of mapping of str to Tensor, or of Tensor
        What the model meets: a task, or batches of its inputs.
    recipe : Recipe, optional
        How it is pruned, for ``arch``; ``default_recipe`` without one. If it trains, then the matrices alone:
        the packed layers belong to the model as it is.
    inputs : InputOptions, optional
        How inputs are quantized, in place of what the recipe says.
    provenance : mapping, optional
        Plain values to keep in the file.
    tell : callable
        Called with a sentence before every long step.
    checkpoint : Path, optional
        Where a recipe that trains keeps its state on the way, and resumes from.
    progress : callable, optional
        Called with the training steps done since the last call.

    Raises
    ------
    ConfigError
        If the model has no layer that can be packed, a recipe trains more than matrices, or an argument is
        out of its range.
    FormatError
        If ``checkpoint`` belongs to another run.
    """
    kept_count(sparsity, 1)
    task = calibration if isinstance(calibration, Task) else InputBatches(calibration)
    count = len(task.batches) if isinstance(task, InputBatches) else 24
    chosen = recipe or default_recipe(arch, count)
    if inputs is not None:
        chosen = replace(chosen, inputs=inputs)
    if chosen.recovery.trains and chosen.training.trained is not Trained.MATRICES:
        raise ConfigError(
            f"a recipe of compile_model may train the matrices alone, not {chosen.training.trained.value}; "
            f"give RecoveryOptions(trained=Trained.MATRICES)"
        )
    dense = copy.deepcopy(model).eval()
    targets = find_targets(dense)
    left_out = _strangers(dense, targets)
    for name in _silent(dense, targets, task, chosen.training.seed):
        del targets[name]
        left_out[name] = "never called in calibration"
    if not targets:
        raise ConfigError("no layer of the model is called in calibration; give inputs that reach one")
    kept = kept_count(sparsity, sum(its.rows * its.cols for its in targets.values()))
    tell("pruning and recovering")
    sparse = sparsify(dense, task, kept, chosen, targets=targets, checkpoint=checkpoint, progress=progress)
    tell("packing")
    quantizers, packed, own = sparse.inputs(), dict(targets), find_targets(model)
    while True:
        layers, refused = _packable(sparse.quantized(arch, {name: quantizers[name] for name in packed}), arch)
        if not refused:
            break
        left_out |= refused
        for name in refused:
            targets[name].assign(own[name].weight())
            del packed[name]
        if not packed:
            raise ConfigError(
                f"the architecture can hold no layer of the model: {next(iter(refused.values()))}"
            )
        # Trained numbers were rounded with these quantizers; without training the model as it is sets them,
        # and with them the integers, which may now not fit.
        quantizers = sparse.rounding.inputs or sparse.rounding.calibrate(dense, packed)
    return PackedModel.of(
        layers,
        arch,
        {name: quantizers[name].scale for name in packed},
        rest=rest_fingerprint(model, [own[name] for name in packed]),
        left_out=left_out,
        provenance={"sparsity": sparsity, **_facts(chosen, task), **(provenance or {})},
    )


def _packable(
    layers: Sequence[QuantizedLayer], arch: ArchConfig
) -> tuple[list[QuantizedLayer], dict[str, str]]:
    """Layers that the architecture can hold, and why it cannot hold the others."""
    held, refused = [], {}
    for layer in layers:
        try:
            pack([layer], arch)
        except ConfigError as error:
            refused[layer.name] = str(error)
            continue
        held.append(layer)
    return held, refused


def _facts(recipe: Recipe, task: Task[Any]) -> dict[str, Any]:
    """How the model was pruned."""
    return {
        "mixvec": version("mixvec"),
        "method": recipe.prune.pattern.method.value,
        "metadata_bits": recipe.prune.pattern.metadata_bits,
        "recovery": recipe.recovery.value,
        "score": recipe.static_score.value,
        **({"stages": recipe.stages} if recipe.recovery.refits else {}),
        **({"steps": recipe.training.steps, "size": recipe.training.size} if recipe.recovery.trains else {}),
        "inputs": "per token" if recipe.inputs.per_token else "per tensor",
        "smoothing": recipe.inputs.smoothing,
        "calibration_batches": recipe.batches,
        "calibration": type(task).__name__,
        "seed": recipe.training.seed,
    }


def _silent(model: nn.Module, targets: Mapping[str, Target], task: Task[Any], seed: int) -> list[str]:
    """Names of the targets that one batch does not call in full."""
    called: set[int] = set()
    modules = [module for target in targets.values() for module in target.modules]
    hooks = [
        module.register_forward_pre_hook(lambda one, inputs: called.add(id(one)), with_kwargs=False)
        for module in modules
    ]
    try:
        with evaluating(model):
            generator = torch.Generator().manual_seed(seed)
            task.outputs(model, task.batch(1, generator, torch.device("cpu")))
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name, target in targets.items() if not {id(one) for one in target.modules} <= called]


def _strangers(model: nn.Module, targets: Mapping[str, Target]) -> dict[str, str]:
    """Matrices outside the targets, embeddings apart, and why they stay in PyTorch."""
    inside = {id(module) for target in targets.values() for module in target.modules}
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    found = {}
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if id(module) in inside or not isinstance(weight, nn.Parameter) or weight.ndim < 2:
            continue
        if isinstance(module, nn.Embedding):
            continue
        if id(weight) in tables:
            found[name] = "its weight is an embedding's"
        else:
            found[name] = f"{type(module).__name__} outside the model's encoder layers"
    return found
