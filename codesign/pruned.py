"""A pruned model: layers between `prune` and `pack`, and the folder that holds them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codesign.files import read_arrays, read_bytes, write_arrays
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from sw.layer import QuantizedLayer
from sw.prune import PrunedMatrix
from sw.quantize import quantize_rows

__all__ = ["PrunedLayer", "kept_count", "layer_facts", "load_pruned", "save_pruned", "store_pruned"]

_FORMAT: Final = "mixvec-pruned"
_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class PrunedLayer:
    """One pruned matrix that is still in floating point.

    Parameters
    ----------
    name : str
    weights : ndarray of float32, shape (M, K)
        Original order; 0 where pruned.
    mask : ndarray of bool, shape (M, K)
        Original order; True where kept.
    direction : Direction
    order : ndarray of int64
        Grouped index -> original index, of outputs (vertical) or inputs (horizontal).
    smoothing : ndarray of int8, shape (K,), optional
        Exponents of ``sw.input_quantizer.InputQuantizer`` that quantizing folds the weights with.
    """

    name: str
    weights: NDArray[np.float32]
    mask: NDArray[np.bool_]
    direction: Direction
    order: NDArray[np.int64]
    smoothing: NDArray[np.int8] | None = None

    def quantize(self, arch: ArchConfig) -> QuantizedLayer:
        """Return the layer with integer weights of ``arch.weight_width`` bits.

        Raises
        ------
        ConfigError
            If a weight has no scale, or mask and order do not fit the weights.
        """
        # By a power of two: exact.
        folded = self.weights if self.smoothing is None else np.ldexp(self.weights, self.smoothing)
        integers, scales = quantize_rows(folded, arch.weight_width)
        return QuantizedLayer(
            self.name,
            integers,
            self.mask,
            self.direction,
            self.order,
            scales,
            smoothing=self.smoothing,
        )


def kept_count(sparsity: float, weights: int) -> int:
    """Return how many of ``weights`` remain at ``sparsity``: the one place where a ratio becomes a count.

    Raises
    ------
    ConfigError
        If ``sparsity`` is not from 0 to 1.
    """
    if not 0 <= sparsity <= 1:
        raise ConfigError(f"`--sparsity` must be from 0 to 1, not {sparsity:g}; 0.8 prunes 80 %")
    return round((1 - Fraction(str(sparsity))) * weights)


def layer_facts(name: str, pruned: PrunedMatrix) -> dict[str, Any]:
    """Return what manifest, JSON and table say about one pruned matrix."""
    rows, cols = pruned.mask.shape
    return {
        "name": name,
        "rows": rows,
        "cols": cols,
        "direction": pruned.direction.label,
        "strengths": {
            statistic.value: {"direction": direction.label, "strength": strength}
            for statistic, (direction, strength) in pruned.strengths.items()
        },
        "kept": pruned.kept,
        "density": pruned.kept / pruned.mask.size,
        "retained": pruned.retained,
        "record_bits": pruned.record_bits,
        "record_bits_per_kept": pruned.record_bits_per_kept,
        "vectors": pruned.vectors,
        "mean_length": pruned.mean_length,
        "lengths": {str(length): count for length, count in pruned.lengths.items()},
    }


def store_pruned(name: str, weight: NDArray[np.float32], pruned: PrunedMatrix) -> PrunedLayer:
    """Return the layer that ``pruned`` leaves of ``weight``."""
    kept = np.where(pruned.mask, weight, np.float32(0))
    return PrunedLayer(name, kept, pruned.mask, pruned.direction, pruned.order)


def save_pruned(
    folder: Path,
    layers: Sequence[PrunedLayer],
    facts: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
) -> None:
    """Write ``masks.npz``, ``weights.npz``, ``orders.npz``, ``smoothing.npz`` if any, and ``manifest.json``.

    Parameters
    ----------
    folder : Path
        Exists.
    layers : sequence of PrunedLayer
    facts : sequence of mapping
        From :func:`layer_facts`, in the order of ``layers``.
    options : mapping
        How the model was pruned; becomes part of the manifest.
    """
    write_arrays(folder / "masks.npz", {layer.name: layer.mask for layer in layers})
    write_arrays(folder / "weights.npz", {layer.name: layer.weights for layer in layers})
    write_arrays(folder / "orders.npz", {layer.name: layer.order for layer in layers})
    smoothing = {layer.name: layer.smoothing for layer in layers if layer.smoothing is not None}
    if smoothing:
        write_arrays(folder / "smoothing.npz", smoothing)
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        **options,
        "orders": "orders.npz: grouped index -> original index, of outputs (vertical) or inputs (horizontal)",
        "layers": list(facts),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")


def load_pruned(folder: Path) -> tuple[dict[str, Any], list[PrunedLayer]]:
    """Return the manifest and the layers in its order.

    Raises
    ------
    ConfigError, FormatError
        If a file is missing or damaged, or they do not fit each other; one sentence that names it.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give one that `mixvec prune` wrote")
    manifest = _manifest(folder / "manifest.json")
    masks, weights, orders = (read_arrays(folder / f"{stem}.npz") for stem in ("masks", "weights", "orders"))
    smoothed = folder / "smoothing.npz"
    smoothing = read_arrays(smoothed) if smoothed.exists() else {}
    layers = []
    for entry in manifest["layers"]:
        name, direction = entry["name"], entry["direction"]
        for stem, arrays in (("masks", masks), ("weights", weights), ("orders", orders)):
            if name not in arrays:
                raise FormatError(f"{folder / stem}.npz lacks layer {name} of the manifest; prune again")
        layers.append(
            PrunedLayer(
                name,
                _weights(weights[name], masks[name], f"{folder}: layer {name}"),
                masks[name],
                Direction[direction.upper()],
                orders[name],
                smoothing.get(name),
            )
        )
    return manifest, layers


def _manifest(path: Path) -> dict[str, Any]:
    """Read and check the part of the manifest that packing needs."""
    try:
        manifest = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        raise FormatError(f"{path} is not JSON; prune the model again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise FormatError(f"{path} must name the format {_FORMAT}; prune the model again")
    if manifest.get("version") != _VERSION:
        raise FormatError(f"{path} has version {manifest.get('version')!r}, not {_VERSION}; prune again")
    layers = manifest.get("layers")
    if not isinstance(layers, list) or not layers:
        raise FormatError(f"{path} must list at least one layer under `layers`; prune the model again")
    known = [direction.label for direction in Direction]
    for entry in layers:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise FormatError(f"{path}: every layer needs a `name`; prune the model again")
        if entry.get("direction") not in known:
            raise FormatError(
                f"{path}: `direction` of layer {entry['name']} must be {' or '.join(known)}, "
                f"not {entry.get('direction')!r}"
            )
    return manifest


def _weights(weights: NDArray[Any], mask: NDArray[Any], place: str) -> NDArray[np.float32]:
    """Check what :class:`QuantizedLayer` cannot see any more after quantization."""
    if weights.ndim != 2 or 0 in weights.shape or not np.issubdtype(weights.dtype, np.floating):
        raise FormatError(
            f"{place}: weights must be a non-empty 2-D float array, not {weights.dtype} of shape "
            f"{weights.shape}"
        )
    if mask.shape != weights.shape or mask.dtype != np.bool_:
        raise FormatError(
            f"{place}: the mask must be a bool array of shape {weights.shape}, not {mask.dtype} of shape "
            f"{mask.shape}"
        )
    return np.where(mask, weights, 0).astype(np.float32)
