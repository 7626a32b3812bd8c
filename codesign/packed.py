"""Packed files as the commands see them: read, chosen from, packed again for another architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.files import map_file, read_arrays
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from spec.numbers import signed_range
from spec.outputs import stage_holds
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.unpack import PackedFile, PackedLayer, unpack

__all__ = [
    "choose_layers",
    "layer_activations",
    "load_packed",
    "part_count",
    "quantized",
    "random_activations",
    "repack",
]


def load_packed(path: Path) -> PackedFile:
    """Return the decoded file.

    Raises
    ------
    ConfigError, FormatError
        If it cannot be read or is damaged; one sentence that names the file.
    """
    data = map_file(path)
    try:
        return unpack(data)
    except FormatError as error:
        raise FormatError(f"{path} is not an intact packed file: {error}; pack it again") from None


def choose_layers(file: PackedFile, names: Sequence[str]) -> tuple[PackedLayer, ...]:
    """Return the layers called ``names``, in the order of the file; all if none is named.

    Raises
    ------
    ConfigError
        If the file has no layer of a name.
    """
    known = [layer.name for layer in file.layers]
    for name in names:
        if name not in known:
            raise ConfigError(f"`--layer` {name} is not in the file, which holds {', '.join(known)}")
    return tuple(layer for layer in file.layers if not names or layer.name in names)


def repack(file: PackedFile, arch: ArchConfig) -> PackedFile:
    """Return the same layers packed for ``arch``; with raw psums where its output stage has no place for one.

    Raises
    ------
    ConfigError
        If ``arch`` cannot hold a layer.
    """
    if arch == file.arch:
        return file
    layers = []
    for layer in map(quantized, file.layers):
        fits = stage_holds(layer.rows, arch)
        same = arch.activation_width == file.arch.activation_width
        layers.append(layer if fits and same else replace(layer, outputs=None))
    return unpack(pack(layers, arch))


def quantized(layer: PackedLayer) -> QuantizedLayer:
    """Return what a packed layer was packed from."""
    return QuantizedLayer(
        layer.name,
        layer.weights,
        layer.mask,
        layer.direction,
        layer.order,
        layer.scales,
        layer.outputs,
        layer.smoothing,
    )


def part_count(layer: PackedLayer) -> int:
    """Parts of blocks in all passes and clusters."""
    return sum(len(cluster) for one in layer.schedule.passes for cluster in one.clusters)


def random_activations(
    layers: Sequence[PackedLayer], arch: ArchConfig, tokens: int, seed: int
) -> dict[str, NDArray[np.int8]]:
    """Return uniform integers of the architecture's activation width, K x ``tokens`` by layer name."""
    generator = np.random.default_rng(seed)
    low, high = signed_range(arch.activation_width)
    return {
        layer.name: generator.integers(low, high + 1, (layer.cols, tokens), dtype=np.int8) for layer in layers
    }


def layer_activations(
    path: Path, layers: Sequence[PackedLayer], arch: ArchConfig, tokens: int | None
) -> dict[str, NDArray[np.int8]]:
    """Return the activations of every layer from an ``.npz`` file, K x N by layer name.

    Parameters
    ----------
    path : Path
    layers : sequence of PackedLayer
    arch : ArchConfig
    tokens : int, optional
        Take the first columns only.

    Raises
    ------
    ConfigError, FormatError
        If the file is damaged, or an array is missing or does not fit its layer.
    """
    arrays = read_arrays(path)
    return {layer.name: _checked(arrays, layer, path, arch, tokens) for layer in layers}


def _checked(
    arrays: Mapping[str, NDArray[Any]],
    layer: PackedLayer,
    path: Path,
    arch: ArchConfig,
    tokens: int | None,
) -> NDArray[np.int8]:
    if layer.name not in arrays:
        raise ConfigError(f"{path} lacks activations of layer {layer.name}; it holds {', '.join(arrays)}")
    array, say = arrays[layer.name], f"{path}: activations of layer {layer.name}"
    if array.ndim != 2 or array.shape[0] != layer.cols or not array.shape[1]:
        raise ConfigError(f"{say} must be {layer.cols} x N, N at least 1, not of shape {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ConfigError(f"{say} must be integers, not {array.dtype}; quantize them")
    low, high = signed_range(arch.activation_width)
    if int(array.min()) < low or int(array.max()) > high:
        raise ConfigError(
            f"{say} must lie in {low} to {high}, not {int(array.min())} to {int(array.max())}; quantize them "
            f"to {arch.activation_width} bits"
        )
    if tokens is not None and tokens > array.shape[1]:
        raise ConfigError(
            f"{say} have {array.shape[1]} columns, fewer than `--tokens` {tokens}; ask for those"
        )
    return array[:, :tokens].astype(np.int8)
