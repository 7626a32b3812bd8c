"""Masks to compare with: fine-grained, fixed vectors and blocks."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from spec.errors import ConfigError
from sw.scores import strongest

__all__ = ["block_mask", "fine_grained_mask", "vector_mask"]

_Number = TypeVar("_Number", np.float64, np.int64)


def fine_grained_mask(score: NDArray[np.floating], *, kept: int) -> NDArray[np.bool_]:
    """Return the mask of the ``kept`` strongest weights; equal ones rank by index."""
    return strongest(score, 1, kept)


def vector_mask(
    score: NDArray[np.floating], *, kept: int, direction: Direction, length: int
) -> NDArray[np.bool_]:
    """Return the mask of the strongest aligned vectors of one length.

    Parameters
    ----------
    score : array, shape (M, K)
        In grouped order.
    kept : int
        Weights to keep, met to the nearest vector.
    direction : Direction
    length : int
        Weights per vector; the last of a row or column may be shorter.

    Returns
    -------
    array of bool, shape (M, K)

    Raises
    ------
    ConfigError
        If ``length`` is not positive.
    """
    vertical = direction is Direction.VERTICAL
    return _tile_mask(score, kept, length if vertical else 1, 1 if vertical else length)


def block_mask(score: NDArray[np.floating], *, kept: int, length: int) -> NDArray[np.bool_]:
    """Return the mask of the strongest aligned ``length`` x ``length`` blocks; as ``vector_mask``."""
    return _tile_mask(score, kept, length, length)


def _tile_mask(score: NDArray[np.floating], kept: int, height: int, width: int) -> NDArray[np.bool_]:
    if min(height, width) < 1:
        raise ConfigError(f"`length` must be at least 1, not {min(height, width)}")
    sums = _tile_sums(score.astype(np.float64), height, width)
    sizes = _tile_sums(np.ones(score.shape, dtype=np.int64), height, width)
    tiles = strongest(sums, sizes, kept)
    mask = np.repeat(np.repeat(tiles, height, axis=0), width, axis=1)
    return mask[: score.shape[0], : score.shape[1]]


def _tile_sums(matrix: NDArray[_Number], height: int, width: int) -> NDArray[_Number]:
    rows, cols = matrix.shape
    padded = np.pad(matrix, ((0, -rows % height), (0, -cols % width)))
    tiles = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    sums: NDArray[_Number] = tiles.sum(axis=(1, 3))
    return sums
