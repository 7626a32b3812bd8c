"""The best way of a block's records through its positions, escapes priced like vectors.

Where an escape stands, a vector on the way costs nothing more: pricing whole records finds such vectors
and moves others closer together, which pricing vectors alone cannot.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["record_paths"]


def record_paths(
    ranked: NDArray[np.float64], threshold: float, price: float, advance_width: int
) -> NDArray[np.int64]:
    """Return how many groups every segment keeps, at the optimum of Σ(score − λ) − μ · records.

    Dynamic programming over the next position, exact for the records of ``spec.record``: a record moves
    it by 1 to 2^A and adds a vector, an escape by 2^A to 4^A in steps of 2^A; a block without vector
    costs one record.

    Parameters
    ----------
    ranked : array, shape (blocks, positions, groups)
        Scores of every segment's groups, falling; -inf in padding.
    threshold, price : float
        λ per group and μ per record, at least 0.
    advance_width : int
        A, bits of a record's advance.

    Returns
    -------
    array of int64, shape (blocks, positions)
        The strongest so many groups are kept.
    """
    counts: NDArray[np.int64] = _paths(ranked, threshold, price, 1 << advance_width)
    return counts


@njit(nogil=True, cache=True)
def _paths(ranked: NDArray[np.float64], threshold: float, price: float, step: int) -> NDArray[np.int64]:
    blocks, positions, groups = ranked.shape
    kept = np.zeros((blocks, positions), dtype=np.int64)
    counts = np.zeros(positions, dtype=np.int64)
    value = np.empty(positions + 1)
    origin = np.empty(positions + 1, dtype=np.int64)
    by_vector = np.empty(positions + 1, dtype=np.bool_)
    for block in range(blocks):
        value[0] = 0.0
        best, end = -price, 0
        for here in range(1, positions + 1):
            gain = ranked[block, here - 1, 0] - threshold
            count = 1
            while count < groups and ranked[block, here - 1, count] > threshold:
                gain += ranked[block, here - 1, count] - threshold
                count += 1
            counts[here - 1] = count
            top, source = -np.inf, 0
            for back in range(here - 1, max(here - step, 0) - 1, -1):
                if value[back] > top:
                    top, source = value[back], back
            top += gain - price
            vector = True
            for back in range(here - step, max(here - step * step, 0) - 1, -step):
                if value[back] - price > top:
                    top, source, vector = value[back] - price, back, False
            value[here], origin[here], by_vector[here] = top, source, vector
            if vector and top > best:
                best, end = top, here
        while end > 0:
            if by_vector[end]:
                kept[block, end - 1] = counts[end - 1]
            end = origin[end]
    return kept
