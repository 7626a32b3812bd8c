"""What the same kept weights would take in other storage formats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.baselines import fine_grained_mask, vector_mask
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.unpack import PackedLayer, unpack

__all__ = ["StorageRow", "compare_storage"]

_POINTER_BITS: Final = 32
"""Bits of a row pointer of a compressed sparse row matrix."""
_FIXED_LENGTH: Final = 4


@dataclass(frozen=True)
class StorageRow:
    """One format, summed over all layers.

    Parameters
    ----------
    format : str
    bits : int
    kept : int
        Weights the format keeps.
    weights : int
        Weights of the dense matrices.
    weight_width : int
        Bits of a weight.
    retained : float, optional
        Magnitude kept, relative to the fine-grained masks of the same counts; None if unknown.
    counted : str
        What ``bits`` includes.
    """

    format: str
    bits: int
    kept: int
    weights: int
    weight_width: int
    retained: float | None
    counted: str

    def figures(self) -> dict[str, Any]:
        """Return the row with its ratios, as in JSON."""
        return {
            "format": self.format,
            "bits": self.bits,
            "kept": self.kept,
            "bits_per_kept": self.bits / self.kept if self.kept else None,
            "metadata_bits_per_kept": self.bits / self.kept - self.weight_width if self.kept else None,
            "compression": self.weights * self.weight_width / self.bits if self.bits else None,
            "retained": self.retained,
            "counted": self.counted,
        }


def compare_storage(
    layers: Sequence[PackedLayer],
    arch: ArchConfig,
    dense: Mapping[str, NDArray[np.floating]] | None = None,
) -> list[StorageRow]:
    """Return the stored bits of all layers in every format, ours first.

    The others hold the same kept weights; only values and indices are counted for them, neither scales
    nor framing, so the comparison favours them. With the ``dense`` weights a row of fixed vectors of 4 is
    added: the strongest vectors of 4 along the same direction and order, as many weights, packed into the
    same file format and counted like ours.

    Parameters
    ----------
    layers : sequence of PackedLayer
    arch : ArchConfig
        That the layers are packed for.
    dense : mapping of str to ndarray, shape (M, K), optional
        Weights before pruning, by layer name.
    """
    kept, weights = sum(layer.kept for layer in layers), sum(layer.weights.size for layer in layers)
    width = arch.weight_width
    ours = None if dense is None else _retained(dense, {layer.name: layer.mask for layer in layers})

    def row(
        name: str, bits: int, counted: str, retained: float | None = ours, stored: int = kept
    ) -> StorageRow:
        return StorageRow(name, bits, stored, weights, width, retained, counted)

    rows = [row("mixed vectors (this file)", sum(layer.bits for layer in layers), "everything")]
    if dense is not None:
        fixed = {layer.name: _fixed_mask(layer, dense[layer.name]) for layer in layers}
        packed = _pack_fixed(layers, fixed, arch)
        rows.append(
            row(
                f"fixed vectors of {_FIXED_LENGTH}",
                sum(layer.bits for layer in packed),
                "everything, same file format",
                _retained(dense, fixed),
                sum(layer.kept for layer in packed),
            )
        )
    indices = sum(layer.kept * _index_bits(layer.cols) for layer in layers)
    pointers = sum(layer.rows + 1 for layer in layers) * _POINTER_BITS
    rows += [
        row("bitmap", kept * width + weights, "values, one bit per weight"),
        row(
            "compressed sparse row", kept * width + indices + pointers, "values, column indices, row pointers"
        ),
        row("dense", weights * width, "values", None),
    ]
    return rows


def _index_bits(cols: int) -> int:
    return max((cols - 1).bit_length(), 1)


def _fixed_mask(layer: PackedLayer, dense: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Strongest vectors of 4 along the layer's direction and order, in original order."""
    axis = 0 if layer.direction is Direction.VERTICAL else 1
    ordered = np.take(np.abs(dense), layer.order, axis=axis)
    grouped = vector_mask(ordered, kept=layer.kept, direction=layer.direction, length=_FIXED_LENGTH)
    mask = np.empty_like(grouped)
    if axis == 0:
        mask[layer.order] = grouped
    else:
        mask[:, layer.order] = grouped
    return mask


def _pack_fixed(
    layers: Sequence[PackedLayer], masks: Mapping[str, NDArray[np.bool_]], arch: ArchConfig
) -> tuple[PackedLayer, ...]:
    """Pack ones under ``masks``: the values do not change what is stored."""
    fixed = [
        QuantizedLayer(
            layer.name,
            masks[layer.name].astype(np.int8),
            masks[layer.name],
            layer.direction,
            layer.order,
            layer.scales,
        )
        for layer in layers
    ]
    return unpack(pack(fixed, arch)).layers


def _retained(dense: Mapping[str, NDArray[np.floating]], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """Magnitude under ``masks`` over that under the fine-grained masks of the same counts."""
    held = best = 0.0
    for name, mask in masks.items():
        if dense[name].shape != mask.shape:
            raise ConfigError(f"layer {name} has {mask.shape} weights, not {dense[name].shape}")
        magnitude = np.abs(dense[name]).astype(np.float64)
        held += float(magnitude[mask].sum())
        best += float(magnitude[fine_grained_mask(magnitude, kept=int(mask.sum()))].sum())
    return held / best if best else 1.0
