"""Units: the weights of a model that one pattern keeps or prunes together.

All units of a model stand in one flat array, matrix by matrix, so that one ranking can run over all of
them. Units of fine-grained masks, vectors, blocks and channels are tiles; heads span two matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from spec.errors import ConfigError
from sw.targets import Role

__all__ = ["HeadUnits", "MatrixShape", "TileUnits", "Units", "named_shapes", "tile_of"]


@dataclass(frozen=True)
class MatrixShape:
    """What masks need to know of one matrix: M, K, its place in the layer and its attention heads."""

    name: str
    rows: int
    cols: int
    role: Role = Role.OTHER
    heads: int = 0

    @property
    def size(self) -> int:
        """Weights."""
        return self.rows * self.cols


def named_shapes(sizes: Mapping[str, tuple[int, int]], heads: int) -> list[MatrixShape]:
    """Return the shapes of matrices called ``layer{n}.{role}``, or anything else, M x K by name."""
    roles = {role.value: role for role in Role}
    shapes = []
    for name, (rows, cols) in sizes.items():
        role = roles.get(name.rpartition(".")[2], Role.OTHER)
        attention = role in (Role.QKV, Role.ATTENTION_OUTPUT)
        shapes.append(MatrixShape(name, rows, cols, role, heads if attention else 0))
    return shapes


class Units(Protocol):
    """The units of all matrices.

    Attributes
    ----------
    sizes : array of int64, shape (units,)
        Weights of every unit.
    pools : array of int64, shape (units,)
        The matrix (or layer) that a unit belongs to, by index.
    """

    sizes: NDArray[np.int64]
    pools: NDArray[np.int64]

    def sums(self, scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
        """Return the score of every unit from scores in grouped order, M x K by name."""
        ...

    def masks(self, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """Return the masks, in grouped order, that keep the ``chosen`` units."""
        ...


class TileUnits:
    """Aligned tiles of ``height`` outputs and ``width`` inputs; the last of a row or column is smaller.

    Parameters
    ----------
    shapes : sequence of MatrixShape
    tiles : mapping of str to (int, int)
        Height and width by name.
    """

    def __init__(self, shapes: Sequence[MatrixShape], tiles: Mapping[str, tuple[int, int]]) -> None:
        self.shapes, self.tiles = tuple(shapes), dict(tiles)
        ones = {its.name: np.ones((its.rows, its.cols), np.int64) for its in shapes}
        parts = [self._tile_sums(its, ones[its.name]) for its in shapes]
        self.sizes: NDArray[np.int64] = np.concatenate([part.ravel() for part in parts])
        self.pools = np.repeat(np.arange(len(parts), dtype=np.int64), [part.size for part in parts])
        self._grids = [part.shape for part in parts]

    def sums(self, scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
        """See :class:`Units`."""
        parts = [self._tile_sums(its, scores[its.name].astype(np.float64)).ravel() for its in self.shapes]
        return np.concatenate(parts)

    def masks(self, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """See :class:`Units`."""
        masks, start = {}, 0
        for its, grid in zip(self.shapes, self._grids, strict=True):
            count = grid[0] * grid[1]
            tiles = chosen[start : start + count].reshape(grid)
            height, width = self.tiles[its.name]
            mask = tiles
            if (height, width) != (1, 1):
                mask = np.repeat(np.repeat(tiles, height, axis=0), width, axis=1)[: its.rows, : its.cols]
            masks[its.name] = np.ascontiguousarray(mask)
            start += count
        return masks

    def _tile_sums(self, its: MatrixShape, matrix: NDArray[Any]) -> NDArray[Any]:
        if matrix.shape != (its.rows, its.cols):
            raise ConfigError(f"scores of {its.name} must be {its.rows} x {its.cols}, not {matrix.shape}")
        height, width = self.tiles[its.name]
        if (height, width) == (1, 1):
            return matrix
        padded = np.pad(matrix, ((0, -its.rows % height), (0, -its.cols % width)))
        tiles = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
        sums: NDArray[Any] = tiles.sum(axis=(1, 3))
        return sums


class HeadUnits:
    """Attention heads: rows of queries, keys and values, and the columns of the output that meet them.

    Matrices outside attention belong to no unit and stay whole.

    Parameters
    ----------
    shapes : sequence of MatrixShape

    Raises
    ------
    ConfigError
        If there are no heads, or a matrix does not divide into them.
    """

    def __init__(self, shapes: Sequence[MatrixShape]) -> None:
        self.shapes = tuple(shapes)
        layers: dict[str, dict[Role, MatrixShape]] = {}
        for its in shapes:
            if its.heads and its.role in (Role.QKV, Role.ATTENTION_OUTPUT):
                layers.setdefault(its.name.rpartition(".")[0], {})[its.role] = its
        self._layers = [
            (layer[Role.QKV], layer[Role.ATTENTION_OUTPUT]) for layer in layers.values() if len(layer) == 2
        ]
        if not self._layers:
            raise ConfigError(
                "method head needs attention layers with a known number of heads; give a model folder of "
                "the BERT or GPT-2 family, or use another method"
            )
        for qkv, output in self._layers:
            if qkv.rows % (3 * qkv.heads) or output.cols % output.heads:
                raise ConfigError(
                    f"{qkv.name} of {qkv.rows} rows must divide into {qkv.heads} heads; check the config"
                )
        counts = [qkv.heads for qkv, _ in self._layers]
        sizes = [(qkv.size + output.size) // qkv.heads for qkv, output in self._layers]
        self.sizes: NDArray[np.int64] = np.repeat(np.asarray(sizes, np.int64), counts)
        self.pools = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def sums(self, scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
        """See :class:`Units`."""
        parts = []
        for qkv, output in self._layers:
            rows = scores[qkv.name].sum(axis=1, dtype=np.float64).reshape(3, qkv.heads, -1)
            cols = scores[output.name].sum(axis=0, dtype=np.float64).reshape(output.heads, -1)
            parts.append(rows.sum(axis=(0, 2)) + cols.sum(axis=1))
        return np.concatenate(parts)

    def masks(self, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """See :class:`Units`."""
        masks = {its.name: np.ones((its.rows, its.cols), np.bool_) for its in self.shapes}
        start = 0
        for qkv, output in self._layers:
            heads = chosen[start : start + qkv.heads]
            start += qkv.heads
            masks[qkv.name] &= np.tile(np.repeat(heads, qkv.rows // (3 * qkv.heads)), 3)[:, None]
            masks[output.name] &= np.repeat(heads, output.cols // output.heads)[None, :]
        return masks


def tile_of(shape: MatrixShape, direction: Direction, length: int | None) -> tuple[int, int]:
    """Return height and width of a vector of ``length`` weights; None is the whole matrix's side."""
    if direction is Direction.VERTICAL:
        return (shape.rows if length is None else length), 1
    return 1, (shape.cols if length is None else length)
