"""The model pruned, recovered and judged on held-out data, once for all designs that share its integers."""

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from codesign.evaluation import subject_facts
from codesign.exploration.designs import Pruning
from codesign.exploration.masks import Masks, kept_masks, mask_facts
from codesign.exploration.measuring import code_digest
from codesign.exploration.quality import Quality
from codesign.exploration.store import content_key
from codesign.pruned import PrunedLayer, kept_count, layer_facts, save_pruned
from codesign.subjects import Subject, load_subject
from codesign.whole.compilation import default_recipe
from spec.errors import ConfigError
from sw.sparse_model import Recipe, RecoveryMethod, sparsify
from sw.targets import Target, find_targets
from sw.task import Task

__all__ = ["JudgedMasks"]

_BATCHES: Final = 24
_QUANTIZED: Final = 0.2
"""Share of the training steps with the accelerator's integers."""


@dataclass(frozen=True)
class JudgedMasks:
    """Prunes one model for any ``Pruning`` and measures its integers; what was done before is found again.

    Inputs are quantized as by ``compile_model``.

    Parameters
    ----------
    subject : Subject
        The model, and the data that it is calibrated, trained and judged on.
    steps : int
        Training steps after pruning; without any, kept weights are refitted by least squares alone.
    cache : Path
        Folder of pruned models.

    Raises
    ------
    ConfigError, FormatError
        If model or data cannot be read.
    """

    subject: Subject
    steps: int
    cache: Path

    @cached_property
    def _loaded(self) -> tuple[nn.Module, Task[Any]]:
        model = self.subject.model
        if model != "minilm" and not Path(model).is_dir():
            raise ConfigError(f"`--train` needs a model that runs, `minilm` or a model folder, not {model}")
        return load_subject(self.subject)

    @cached_property
    def _targets(self) -> dict[str, Target]:
        return find_targets(self._loaded[0])

    @cached_property
    def digest(self) -> str:
        """Hash of model, data, and the code that prunes and judges."""
        model, _ = self._loaded
        weights = sha256()
        for name, parameter in model.named_parameters():
            weights.update(f"{name} {tuple(parameter.shape)}".encode())
            weights.update(parameter.detach().to(torch.float32).contiguous().numpy().tobytes())
        facts = subject_facts(self.subject)
        return content_key(subject=facts, weights=weights.hexdigest(), steps=self.steps, code=code_digest())

    @cached_property
    def weights(self) -> int:
        """Weights of all matrices."""
        return sum(its.rows * its.cols for its in self._targets.values())

    @cached_property
    def _dense(self) -> float:
        """The dense model's own quality."""
        model, task = self._loaded
        return task.measure(model)[task.quality]

    def prune(self, pruning: Pruning, progress: Callable[[int], None] | None = None) -> Masks:
        """Return the masks of ``pruning`` and what they cost; ``progress`` is told the weights done."""
        key = content_key(model=self.digest, pruning=asdict(pruning))
        tell = progress or (lambda weights: None)
        return kept_masks(self.cache / key, lambda part: self._prune(pruning, part, tell), tell)

    def _recipe(self, pruning: Pruning) -> Recipe:
        """One cut, whose budget yields where a matrix cannot meet it, a refit, and then training if any."""
        recipe = default_recipe(pruning.arch, _BATCHES)
        pattern = replace(recipe.prune.pattern, metadata_bits=pruning.metadata_bits)
        recipe = replace(recipe, prune=replace(recipe.prune, pattern=pattern), stages=1)
        if not self.steps:
            return recipe
        training = replace(recipe.training, steps=self.steps, quantized=_QUANTIZED)
        return replace(recipe, recovery=RecoveryMethod.BOTH, training=training)

    def _prune(self, pruning: Pruning, folder: Path, progress: Callable[[int], None]) -> None:
        model, task = self._loaded
        dense = {name: its.weight().abs().numpy() for name, its in self._targets.items()}
        told = 0

        def advance(steps: int) -> None:
            nonlocal told
            share = self.weights * steps // self.steps
            told += share
            progress(share)

        try:
            sparse = sparsify(
                copy.deepcopy(model),
                task,
                kept_count(pruning.sparsity, self.weights),
                self._recipe(pruning),
                progress=advance,
            )
            inputs = sparse.inputs()
            value = task.measure(sparse.integer_model(pruning.arch, inputs))[task.quality]
        # A model without finite numbers fails in whatever meets them first.
        except (ArithmeticError, RuntimeError) as error:
            raise ConfigError(_breakdown(pruning, str(error).split("\n")[0][:120].rstrip("."))) from None
        quality = Quality(task.quality, value, self._dense, task.rising)
        if not (math.isfinite(quality.value) and math.isfinite(quality.dense)):
            raise ConfigError(_breakdown(pruning, f"its {quality.name} is not finite"))
        layers = [
            PrunedLayer(
                name,
                sparse.targets[name].weight().numpy(),
                its.mask,
                its.direction,
                its.order,
                inputs[name].smoothing,
            )
            for name, its in sparse.pruned.items()
        ]
        about = {**mask_facts(dense, sparse.pruned), "quality": asdict(quality)}
        facts = [layer_facts(name, its) for name, its in sparse.pruned.items()]
        save_pruned(folder, layers, facts, {"pruning": asdict(pruning)})
        # Last, so that a folder without it counts as missing.
        (folder / "masks.json").write_text(json.dumps(about, allow_nan=False))
        progress(self.weights - told)


def _breakdown(pruning: Pruning, reason: str) -> str:
    return (
        f"the model with {pruning.lanes} lanes at sparsity {pruning.sparsity:g} cannot be judged: {reason}; "
        f"lower `--sparsity` or `--steps`, or check the model"
    )
