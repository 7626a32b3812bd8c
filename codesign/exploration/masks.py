"""The model pruned once for all designs that share lanes, segment, sparsity and budget."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.exploration.designs import Pruning
from codesign.exploration.quality import Quality
from codesign.exploration.store import content_key
from codesign.files import output_folder, read_bytes
from codesign.pruned import kept_count, layer_facts, save_pruned, store_pruned
from spec.errors import ConfigError, FormatError
from sw.models import attention_heads, load_matrices
from sw.pattern import Pattern
from sw.prune import PrunedMatrix
from sw.prune_model import PruneOptions, prune_model
from sw.units import named_shapes

__all__ = ["Masks", "ModelMasks", "kept_masks", "mask_facts"]


@dataclass(frozen=True)
class Masks:
    """A pruned model in a folder, as `mixvec prune` writes it, and how much of it is left.

    Parameters
    ----------
    folder : str
    key : str
        Hash of the model and of everything that decided about the masks.
    weights, kept : int
    lost : float
        Share of the dense model's magnitude that is pruned: comparable between sparsities.
    retained : float
        Magnitude kept, relative to the largest ``kept`` weights of every matrix: 1 is fine-grained pruning.
    record_bits_per_kept : float
    mean_length : float
        Weights per vector.
    quality : Quality, optional
        If it was measured.
    """

    folder: str
    key: str
    weights: int
    kept: int
    lost: float
    retained: float
    record_bits_per_kept: float
    mean_length: float
    quality: Quality | None = None


class ModelMasks:
    """Prunes one model for any ``Pruning``; what was pruned before is found again.

    Parameters
    ----------
    model : str
        ``minilm``, a model folder or a file of arrays.
    cache : Path
        Folder of pruned models.

    Raises
    ------
    ConfigError, FormatError
        If the model cannot be read.
    """

    def __init__(self, model: str, cache: Path) -> None:
        self._matrices: Mapping[str, torch.Tensor] = load_matrices(model)
        self._heads = attention_heads(model)
        self._cache = cache
        digest = hashlib.sha256()
        for name, weight in self._matrices.items():
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
        self.digest = digest.hexdigest()

    @property
    def weights(self) -> int:
        """Weights of all matrices."""
        return sum(weight.numel() for weight in self._matrices.values())

    def prune(self, pruning: Pruning, progress: Callable[[int], None] | None = None) -> Masks:
        """Return the masks of ``pruning``; ``progress`` is told the weights done."""
        key = content_key(model=self.digest, heads=self._heads, pruning=asdict(pruning), version=1)
        tell = progress or (lambda weights: None)
        return kept_masks(self._cache / key, lambda part: self._prune(pruning, part, tell), tell)

    def _prune(self, pruning: Pruning, folder: Path, progress: Callable[[int], None]) -> None:
        shapes = named_shapes(
            {name: (weight.shape[0], weight.shape[1]) for name, weight in self._matrices.items()},
            self._heads,
        )
        scores = {name: weight.abs().numpy() for name, weight in self._matrices.items()}
        pattern = Pattern(pruning.arch, metadata_bits=pruning.metadata_bits)
        pruned = prune_model(
            scores,
            shapes,
            kept_count(pruning.sparsity, self.weights),
            PruneOptions(pattern, yielding=True),
            progress,
        )
        layers = [store_pruned(name, self._matrices[name].numpy(), its) for name, its in pruned.items()]
        facts = [layer_facts(name, its) for name, its in pruned.items()]
        save_pruned(folder, layers, facts, {"pruning": asdict(pruning)})
        # Last, so that a folder without it counts as missing.
        (folder / "masks.json").write_text(json.dumps(mask_facts(scores, pruned)))


def mask_facts(
    magnitudes: Mapping[str, NDArray[np.float32]], pruned: Mapping[str, PrunedMatrix]
) -> dict[str, float]:
    """Return what ``Masks`` says of pruned matrices whose dense weights have these magnitudes."""
    best = sum(
        float(np.partition(magnitudes[name], -its.kept, axis=None)[-its.kept :].sum(dtype=np.float64))
        for name, its in pruned.items()
        if its.kept
    )
    held = sum(float(magnitudes[name][its.mask].sum(dtype=np.float64)) for name, its in pruned.items())
    whole = sum(float(its.sum(dtype=np.float64)) for its in magnitudes.values())
    kept = sum(its.kept for its in pruned.values())
    vectors = sum(its.vectors for its in pruned.values())
    return {
        "weights": sum(its.size for its in magnitudes.values()),
        "kept": kept,
        "lost": 1 - held / whole if whole else 0.0,
        "retained": held / best if best else 0.0,
        "record_bits_per_kept": sum(its.record_bits for its in pruned.values()) / max(kept, 1),
        "mean_length": kept / max(vectors, 1),
    }


def kept_masks(folder: Path, prune: Callable[[Path], None], progress: Callable[[int], None]) -> Masks:
    """Return the masks in ``folder``, whose name is their key; ``prune`` writes them if there are none.

    ``progress`` is told all weights if they are there; else ``prune`` tells it.
    """
    try:
        done = _read(folder)
    except (ConfigError, FormatError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with output_folder(folder) as part:
            prune(part)
        return _read(folder)
    progress(done.weights)
    return done


def _read(folder: Path) -> Masks:
    try:
        about = json.loads(read_bytes(folder / "masks.json"))
        quality = about.pop("quality", None)
        return Masks(
            str(folder), folder.name, **about, quality=None if quality is None else Quality(**quality)
        )
    except (ValueError, TypeError, AttributeError):
        raise FormatError(f"{folder} holds no masks of an exploration; delete it") from None
