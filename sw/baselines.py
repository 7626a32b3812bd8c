"""Masks of one matrix to compare with: fine-grained, fixed vectors and blocks."""

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from spec.errors import ConfigError
from sw.scores import strongest
from sw.units import MatrixShape, TileUnits, tile_of

__all__ = ["block_mask", "fine_grained_mask", "vector_mask"]

_NAME = "matrix"


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
    return _tile_mask(score, kept, *tile_of(_shape(score), direction, length))


def block_mask(score: NDArray[np.floating], *, kept: int, length: int) -> NDArray[np.bool_]:
    """Return the mask of the strongest aligned ``length`` x ``length`` blocks; as ``vector_mask``."""
    return _tile_mask(score, kept, length, length)


def _tile_mask(score: NDArray[np.floating], kept: int, height: int, width: int) -> NDArray[np.bool_]:
    if min(height, width) < 1:
        raise ConfigError(f"`length` must be at least 1, not {min(height, width)}")
    units = TileUnits([_shape(score)], {_NAME: (height, width)})
    return units.masks(strongest(units.sums({_NAME: score}), units.sizes, kept))[_NAME]


def _shape(score: NDArray[np.floating]) -> MatrixShape:
    return MatrixShape(_NAME, *score.shape)
