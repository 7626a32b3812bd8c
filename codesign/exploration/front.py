"""The Pareto front: designs that no other beats in everything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pareto_front"]


def pareto_front(costs: Sequence[Sequence[float]] | NDArray[Any]) -> list[int]:
    """Return the indices of the points that no other point dominates, by ascending first cost.

    A point dominates another if it is nowhere worse and somewhere better. Of points with equal costs the
    first is kept.

    Parameters
    ----------
    costs : array, shape (points, objectives)
        Less is better.
    """
    values = np.asarray(costs, np.float64)
    if not len(values):
        return []
    # Sorted by all costs, whoever dominates a point stands before it.
    order = np.lexsort(values.T[::-1])
    front: list[int] = []
    held = np.empty_like(values)
    for index in order:
        better = held[: len(front)]
        if not np.any(np.all(better <= values[index], axis=1)):
            held[len(front)] = values[index]
            front.append(int(index))
    return front
