"""The model pruned, recovered and judged on held-out data, once for all designs that share its integers."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from codesign.evaluation import subject_facts
from codesign.exploration.designs import Pruning
from codesign.exploration.masks import Masks, mask_facts, read_masks
from codesign.exploration.quality import Quality
from codesign.exploration.store import content_key
from codesign.files import output_folder
from codesign.pruned import PrunedLayer, kept_count, layer_facts, save_pruned
from codesign.subjects import Subject, load_subject
from codesign.whole.compilation import default_recipe
from spec.errors import ConfigError, FormatError
from sw.sparse_model import Recipe, RecoveryMethod, sparsify
from sw.targets import Target, find_targets
from sw.task import Task

__all__ = ["JudgedMasks"]

_BATCHES: Final = 24
_QUANTIZED: Final = 0.2
"""Share of the training steps with the accelerator's integers."""
_VERSION: Final = 1


@dataclass(frozen=True)
class JudgedMasks:
    """Prunes one model for any ``Pruning`` and measures what is left; what was done before is found again.

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
        return load_subject(self.subject)

    @cached_property
    def _targets(self) -> dict[str, Target]:
        return find_targets(self._loaded[0])

    @cached_property
    def digest(self) -> str:
        """Hash of model and data."""
        return content_key(subject=subject_facts(self.subject), steps=self.steps, version=_VERSION)

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
        folder = self.cache / key
        try:
            done = read_masks(folder, key)
        except (ConfigError, FormatError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with output_folder(folder) as part:
                self._prune(pruning, part, progress)
            return read_masks(folder, key)
        if progress is not None:
            progress(self.weights)
        return done

    def _recipe(self, pruning: Pruning) -> Recipe:
        """One cut, whose budget yields where a matrix cannot meet it, a refit, and then training if any."""
        recipe = default_recipe(pruning.arch, _BATCHES)
        pattern = replace(recipe.prune.pattern, metadata_bits=pruning.metadata_bits)
        recipe = replace(recipe, prune=replace(recipe.prune, pattern=pattern), stages=1)
        if not self.steps:
            return recipe
        training = replace(recipe.training, steps=self.steps, quantized=_QUANTIZED)
        return replace(recipe, recovery=RecoveryMethod.BOTH, training=training)

    def _prune(self, pruning: Pruning, folder: Path, progress: Callable[[int], None] | None) -> None:
        model, task = self._loaded
        dense = {name: its.weight().abs().numpy() for name, its in self._targets.items()}
        told = 0

        def advance(steps: int) -> None:
            nonlocal told
            share = self.weights * steps // self.steps
            told += share
            if progress is not None:
                progress(share)

        sparse = sparsify(
            copy.deepcopy(model),
            task,
            kept_count(pruning.sparsity, self.weights),
            self._recipe(pruning),
            progress=advance,
        )
        integers = sparse.integer_model(pruning.arch, sparse.inputs())
        with torch.no_grad():
            value = task.measure(integers)[task.quality]
        quality = Quality(task.quality, value, self._dense, task.rising)
        layers = [
            PrunedLayer(name, sparse.targets[name].weight().numpy(), its.mask, its.direction, its.order)
            for name, its in sparse.pruned.items()
        ]
        about = {**mask_facts(dense, sparse.pruned), "quality": asdict(quality)}
        facts = [layer_facts(name, its) for name, its in sparse.pruned.items()]
        save_pruned(folder, layers, facts, {"pruning": asdict(pruning)})
        # Last, so that a folder without it counts as missing.
        (folder / "masks.json").write_text(json.dumps(about, allow_nan=False))
        if progress is not None:
            progress(self.weights - told)
