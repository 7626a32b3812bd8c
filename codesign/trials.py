"""One comparison of pruning methods: its trials, each a model made sparse and judged."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any, Final

import torch
from torch import nn

from codesign.cycles import layer_cycles
from codesign.pruned import kept_count, layer_facts
from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.pack import pack
from sw.pattern import Method, Pattern
from sw.pruned_state import PrunedState
from sw.recovery import Recovery
from sw.rest import rest_fingerprint
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, SparseModel, sparsify
from sw.targets import find_targets
from sw.task import Task
from sw.unpack import unpack

__all__ = ["DENSE", "Trial", "method_arch", "run_trial"]

DENSE: Final = "dense"
_MOST_CLUSTERS: Final = 64
_VERSION: Final = 4
"""Of what a trial computes; a new one makes cached trials run again."""


@dataclass(frozen=True)
class Trial:
    """A method at a sparsity, with everything that decides its result but model and data.

    Parameters
    ----------
    pattern : Pattern, optional
        None is the dense model.
    sparsity : float
        Of all matrices together; 0 for the dense model.
    recipe : Recipe
        With the seed; its pattern is replaced by ``pattern``. A dense model is trained by it too if
        ``trained``.
    tokens : int
        Activation columns whose cycles are counted.
    arch : ArchConfig
        That the dense model is packed for; a pattern has its own.
    trained : bool
        Whether the dense model is trained as long as the sparse ones, with itself as it was for a teacher.
    """

    pattern: Pattern | None
    sparsity: float
    recipe: Recipe
    tokens: int
    arch: ArchConfig
    trained: bool = False

    @property
    def label(self) -> str:
        """Short name for tables."""
        if self.pattern is not None:
            return self.pattern.label
        return f"{DENSE}, trained on" if self.trained else DENSE

    @property
    def steps(self) -> int:
        """Training steps."""
        trains = self.recipe.recovery.trains and (self.pattern is not None or self.trained)
        return self.recipe.training.steps if trains else 0

    def key(self, subject: dict[str, Any]) -> str:
        """Return a name for the result of this trial on a subject: equal trials, equal names."""
        facts = {"version": _VERSION, "subject": subject, "trial": _plain(asdict(self))}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def _plain(value: Any) -> Any:
    """Dataclasses, models and enums as JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, ArchConfig):
        return json.loads(value.to_json())
    return value.value if isinstance(value, Enum) else value


def method_arch(method: Method, arch: ArchConfig) -> ArchConfig:
    """Return the architecture that holds a method's masks best: ``arch``, or as many PEs with one lane.

    Single weights are groups of one lane; on wider lanes they would drag pruned neighbours along.
    """
    if method not in (Method.FINE_GRAINED, Method.N_M) or arch.lanes == 1:
        return arch
    clusters = arch.clusters * arch.lanes
    if clusters > _MOST_CLUSTERS:
        raise ConfigError(
            f"method {method.value} is compared on as many PEs with one lane, {clusters} clusters, more than "
            f"{_MOST_CLUSTERS}; give a smaller `--arch`"
        )
    return ArchConfig(
        clusters=clusters,
        lanes=1,
        tokens=arch.tokens,
        weight_width=arch.weight_width,
        activation_width=arch.activation_width,
        stream_width=arch.stream_width,
    )


def run_trial(
    trial: Trial,
    model: nn.Module,
    task: Task[Any],
    *,
    device: torch.device,
    start: PrunedState | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], PrunedState]:
    """Make ``model`` sparse, judge it in floating point and as packed integers; return figures and model.

    Parameters
    ----------
    trial : Trial
    model : Module
        The dense model; changed.
    task : Task
    device : torch.device
    start : PrunedState, optional
        What a pattern goes on from.
    checkpoint : Path, optional
        See ``sw.recovery.Recovery.run``.
    progress : callable, optional
        Called with the training steps done since the last call.

    Returns
    -------
    dict, PrunedState
        ``method``, ``sparsity``, ``seed``; ``float`` and ``integer`` with the task's figures; ``kept``,
        ``weights``, ``density``, record and stored bits, cycles; ``layers`` as in a manifest.
        And the pruned model, with the quantizers that it was judged with.
    """
    started = monotonic()
    sparse = _sparse_model(trial, model, task, device, start, checkpoint, progress)
    arch = trial.arch if trial.pattern is None else trial.pattern.arch
    inputs = sparse.inputs()
    packed = unpack(pack(sparse.quantized(arch, inputs), arch)).layers
    cycles = [layer_cycles(layer, arch, trial.tokens) for layer in packed]
    kept = sum(its.kept for its in sparse.pruned.values())
    weights = sum(its.mask.size for its in sparse.pruned.values())
    records = sum(its.record_bits for its in sparse.pruned.values())
    result = {
        "method": trial.label,
        "sparsity": trial.sparsity,
        "seed": trial.recipe.training.seed,
        "quality": task.quality,
        "rising": task.rising,
        "float": task.measure(sparse.model),
        "integer": task.measure(sparse.integer_model(arch, inputs).to(device)),
        "kept": kept,
        "weights": weights,
        "density": kept / weights,
        "record_bits_per_kept": records / kept if kept else None,
        "bits": sum(layer.bits for layer in packed),
        "bits_per_kept": sum(layer.bits for layer in packed) / kept if kept else None,
        "lanes": arch.lanes,
        "pes": arch.pes,
        "tokens": trial.tokens,
        "compute_cycles": sum(count.compute_cycles for count in cycles),
        "cycles": sum(count.cycles for count in cycles),
        "seconds": monotonic() - started,
        "layers": [layer_facts(name, its) for name, its in sparse.pruned.items()],
    }
    return result, sparse.state(inputs)


def _sparse_model(
    trial: Trial,
    model: nn.Module,
    task: Task[Any],
    device: torch.device,
    start: PrunedState | None,
    checkpoint: Path | None,
    progress: Callable[[int], None] | None,
) -> SparseModel:
    """Sparsify; the dense model keeps all its weights, as fine-grained pruning at 0 % does."""
    if trial.pattern is not None:
        prune = replace(trial.recipe.prune, pattern=trial.pattern)
        weights = sum(its.rows * its.cols for its in find_targets(model).values())
        kept = kept_count(trial.sparsity, weights)
        recipe = replace(trial.recipe, prune=prune)
        return sparsify(
            model, task, kept, recipe, start=start, device=device, checkpoint=checkpoint, progress=progress
        )
    origin = rest_fingerprint(model, ())
    if trial.steps:
        options = replace(trial.recipe.training, score=Score.MAGNITUDE)
        Recovery(model, find_targets(model), task, None, 0, options, device=device).run(
            checkpoint=checkpoint, progress=progress
        )
    kept, recipe = _all_kept(trial, model)
    sparse = sparsify(model, task, kept, recipe, start=start, device=device)
    trained = {"recovery": trial.recipe.recovery.value, "steps": trial.steps} if trial.steps else {}
    return replace(sparse, origin=origin, provenance={**sparse.provenance, **trained})


def _all_kept(trial: Trial, model: nn.Module) -> tuple[int, Recipe]:
    weights = sum(its.rows * its.cols for its in find_targets(model).values())
    prune = replace(trial.recipe.prune, pattern=Pattern(trial.arch, Method.FINE_GRAINED))
    training = replace(trial.recipe.training, score=Score.MAGNITUDE)
    return weights, replace(trial.recipe, prune=prune, recovery=RecoveryMethod.NONE, training=training)
