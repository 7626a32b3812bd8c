"""Which way a mask's stripes run, and how strongly."""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction

__all__ = ["Statistic", "direction_strength"]


class Statistic(Enum):
    """How the direction is read off a mask; the value is its name on the command line."""

    NEIGHBOUR = "neighbour"
    """P(neighbour kept | kept) along each direction, 0 at chance and 1 if neighbours always agree."""
    VARIANCE = "variance"
    """Variance of the density of columns against rows (TF-MVP), over that of whole stripes."""


def direction_strength(
    mask: NDArray[np.bool_], statistic: Statistic = Statistic.NEIGHBOUR
) -> tuple[Direction, float]:
    """Return the direction of a mask's stripes and how much it outweighs the other direction.

    A vertical vector is one input ``k`` at consecutive outputs ``m``: along axis 0. So a matrix is
    vertical if neighbours along axis 0 agree, or if the density differs from column to column.

    Parameters
    ----------
    mask : array of bool, shape (M, K)
        The fine-grained mask, True where a weight is kept.
    statistic : Statistic

    Returns
    -------
    Direction
        Vertical if both are equal.
    float
        Strength, 0 (none) to 1 (whole stripes).
    """
    density = float(mask.mean()) if mask.size else 0.0
    if density in (0.0, 1.0):
        return Direction.VERTICAL, 0.0
    if statistic is Statistic.NEIGHBOUR:
        vertical, horizontal = (_agreement(turned, density) for turned in (mask, mask.T))
    else:
        chance = density * (1 - density)
        vertical, horizontal = (float(mask.mean(axis=axis).var()) / chance for axis in (0, 1))
    direction = Direction.VERTICAL if vertical >= horizontal else Direction.HORIZONTAL
    return direction, min(abs(vertical - horizontal), 1.0)


def _agreement(mask: NDArray[np.bool_], density: float) -> float:
    """P(next along axis 0 kept | kept), 0 at chance and 1 at certainty."""
    kept = int(np.count_nonzero(mask[:-1]))
    if kept == 0:
        return 0.0
    both = int(np.count_nonzero(mask[:-1] & mask[1:]))
    return (both / kept - density) / (1 - density)
