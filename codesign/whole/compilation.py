"""From a dense PyTorch model to one that the accelerator runs."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from codesign.pruned import kept_count
from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.input_batches import InputBatches
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.packed_model import PackedModel
from sw.pattern import Pattern
from sw.pretrained import evaluating
from sw.prune_model import PruneOptions
from sw.pruned_state import PrunedState
from sw.recovery_options import RecoveryOptions
from sw.rest import changed_rest, rest_fingerprint
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, SparseModel, sparsify
from sw.targets import Target, check_detached, find_targets
from sw.task import Task

__all__ = ["DEFAULT_INPUTS", "compile_model", "compile_pruned", "default_recipe"]

_STAGES: Final = 4
DEFAULT_INPUTS: Final = InputOptions(per_token=True, smoothing=0.7)
"""The nearest to a dense MiniLM of those that ``benchmarks.input_scales`` compares."""

_Quantizers = Callable[[Mapping[str, Target]], Mapping[str, InputQuantizer]]
"""How inputs are quantized where these targets are packed."""

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

    What a recipe trains around the packed layers travels with them.

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
        How it is pruned, for ``arch``; ``default_recipe`` without one.
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
        If the model has no layer that can be packed, or an argument is out of its range.
    FormatError
        If ``checkpoint`` belongs to another run.
    """
    kept_count(sparsity, 1)
    task = _task(calibration)
    chosen = recipe or default_recipe(arch, _batches(task))
    if inputs is not None:
        chosen = replace(chosen, inputs=inputs)
    dense, targets, left_out = _subject(model, task, chosen.training.seed)
    kept = kept_count(sparsity, sum(its.rows * its.cols for its in targets.values()))
    tell("pruning and recovering")
    sparse = sparsify(dense, task, kept, chosen, targets=targets, checkpoint=checkpoint, progress=progress)
    tell("packing")
    facts = {"sparsity": sparsity, **sparse.provenance, **(provenance or {})}
    # Trained numbers were rounded with their quantizers; without training the model as it is sets them.
    return _packed(model, sparse, arch, _calibrated(sparse), left_out, facts, trained=chosen.recovery.trains)


def compile_pruned(
    model: nn.Module,
    pruned: PrunedState,
    calibration: Calibration | None = None,
    *,
    arch: ArchConfig | None = None,
    inputs: InputOptions | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> PackedModel:
    """Quantize and pack what ``pruned`` makes of ``model``, which itself stays as it is.

    Parameters
    ----------
    model : Module
        The dense model that was pruned.
    pruned : PrunedState
    calibration : Task, or sequence of mapping of str to Tensor, or of Tensor, optional
        What the model meets: for ``inputs`` alone.
    arch : ArchConfig, optional
        Other than the one that it was pruned for; with as many bits.
    inputs : InputOptions, optional
        How to calibrate the quantizers of its inputs; without, they are those that it was kept with.
    provenance : mapping, optional
        Plain values to keep in the file.

    Raises
    ------
    ConfigError
        If another model was pruned, ``arch`` has other bits, or it can hold no layer; or if there are
        ``inputs`` but no calibration.
    """
    asked = pruned.pruning
    own = asked.pattern.arch
    arch = arch or own
    for name in ("weight_width", "activation_width"):
        if getattr(arch, name) != getattr(own, name):
            raise ConfigError(
                f"the model was pruned for a `{name}` of {getattr(own, name)}, not {getattr(arch, name)}; "
                f"give an architecture with as many bits"
            )
    if inputs is not None and calibration is None:
        raise ConfigError("other quantizers for the inputs need a calibration; give what the model meets")
    # Without other quantizers nothing is drawn from the task: masks and directions are there.
    task = InputBatches([torch.zeros(0)]) if calibration is None else _task(calibration)
    recipe = Recipe(
        PruneOptions(asked.pattern),
        RecoveryMethod.NONE,
        RecoveryOptions(score=Score.MAGNITUDE),
        batches=_batches(task),
        inputs=inputs or asked.options,
    )
    dense = _copy(model)
    sparse = sparsify(dense, task, asked.kept, recipe, start=pruned)
    weights = sum(its.rows * its.cols for its in sparse.targets.values())
    made = pruned.provenance if inputs is None else sparse.provenance
    facts = {"sparsity": round(1 - asked.kept / weights, 4), **made, **(provenance or {})}
    quantizers = _calibrated(sparse) if inputs is not None else lambda packed: pruned.inputs
    return _packed(model, sparse, arch, quantizers, _strangers(dense, sparse.targets), facts, trained=True)


def _task(calibration: Calibration) -> Task[Any]:
    return calibration if isinstance(calibration, Task) else InputBatches(calibration)


def _batches(task: Task[Any]) -> int:
    """Batches to calibrate on: all that are given, or what is enough of a task."""
    return len(task.batches) if isinstance(task, InputBatches) else Recipe.batches


def _copy(model: nn.Module) -> nn.Module:
    check_detached(find_targets(model).values())
    return copy.deepcopy(model).eval()


def _subject(
    model: nn.Module, task: Task[Any], seed: int
) -> tuple[nn.Module, dict[str, Target], dict[str, str]]:
    """A copy of the model, its layers that the task calls, and what stays in PyTorch, with reasons."""
    dense = _copy(model)
    targets = find_targets(dense)
    left_out = _strangers(dense, targets)
    for name in _silent(dense, targets, task, seed):
        del targets[name]
        left_out[name] = "never called in calibration"
    if not targets:
        raise ConfigError("no layer of the model is called in calibration; give inputs that reach one")
    return dense, targets, left_out


def _calibrated(sparse: SparseModel) -> _Quantizers:
    return lambda packed: sparse.rounding.inputs or sparse.rounding.calibrate(sparse.model, packed)


def _packed(
    model: nn.Module,
    sparse: SparseModel,
    arch: ArchConfig,
    quantizers: _Quantizers,
    left_out: Mapping[str, str],
    provenance: Mapping[str, Any],
    *,
    trained: bool,
) -> PackedModel:
    """Quantize and pack what can be packed.

    A layer that cannot be gets its dense weights back, unless what is around it was ``trained`` with it.
    """
    own, packed, reasons = find_targets(model), dict(sparse.targets), dict(left_out)
    while True:
        # What is left out may change these, and with them the integers, which may now not fit.
        chosen = quantizers(packed)
        layers, refused = _packable(sparse.quantized(arch, {name: chosen[name] for name in packed}), arch)
        if not refused:
            break
        reasons |= refused
        for name in refused:
            target = packed.pop(name)
            if not trained:
                target.assign(own[name].weight())
        if not packed:
            raise ConfigError(
                f"the architecture can hold no layer of the model: {next(iter(refused.values()))}"
            )
    return PackedModel.of(
        layers,
        arch,
        {name: chosen[name].scale for name in packed},
        rest=rest_fingerprint(model, [own[name] for name in packed]),
        trained=changed_rest(sparse.model, model, packed.values()),
        left_out=reasons,
        provenance=provenance,
        pruning=sparse.pruning,
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
