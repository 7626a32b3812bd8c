"""Which items to pair: what every pair gains, and the pairs of the greedy order.

Compiled, because both are O(items²) in what NumPy could only do in many passes over memory.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["join_gains", "pair_greedily"]

_TILE = 4
"""Items and rests summed at once: their 16 sums and 8 operands stay in vector registers."""
_STRIP = 64
"""Rests that stay in cache while all items pass by."""


def pair_greedily(gains: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return disjoint pairs (low, high), largest gain first taken, equal gains by index.

    Items that are each other's best partner are what the greedy order would pair in any case, so
    whole rounds of them are taken at once. Pairs of -inf are left apart.

    Parameters
    ----------
    gains : array, shape (items, items)
        Symmetric, never NaN; the diagonal is ignored.

    Returns
    -------
    array of int64, shape (pairs, 2)
        By round, then by the low item.
    """
    pairs: NDArray[np.int64] = _greedy_pairs(np.ascontiguousarray(gains, dtype=np.float32))
    return pairs


def join_gains(offered: NDArray[np.float32], rest: NDArray[np.float32], price: float) -> NDArray[np.float32]:
    """Return what each offered item would gain in each rest: Σ max(0, item + rest − price).

    Parameters
    ----------
    offered : array, shape (items, features)
    rest : array, shape (rests, features)
    price : float

    Returns
    -------
    array of float32, shape (items, rests)
    """
    items, rests = len(offered), len(rest)
    lifted = rest - np.float32(price)
    gains: NDArray[np.float32] = _join_gains(_whole_tiles(offered), _whole_tiles(lifted))
    return gains[:items, :rests]


def _whole_tiles(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.pad(rows, ((0, -len(rows) % _TILE), (0, 0))), dtype=np.float32)


@njit(nogil=True, cache=True)
def _greedy_pairs(gains: NDArray[np.float32]) -> NDArray[np.int64]:
    items = len(gains)
    pairs = np.empty((items // 2, 2), dtype=np.int64)
    # -inf takes an item out of every maximum without a branch.
    taken = np.zeros(items, dtype=np.float32)
    best = np.empty(items, dtype=np.int64)
    left = np.arange(items)
    found, before = 0, -1
    for item in left:
        best[item] = _best_partner(gains[item], taken, item)
    while found > before:
        before, alive = found, 0
        for item in left:
            partner = best[item]
            if item < partner and best[partner] == item:
                pairs[found] = item, partner
                found += 1
        for pair in pairs[before:found]:
            taken[pair[0]] = taken[pair[1]] = -np.inf
        for item in left:
            if taken[item] == 0 and best[item] >= 0:
                # A best partner stays the best until it is taken.
                if taken[best[item]] != 0:
                    best[item] = _best_partner(gains[item], taken, item)
                left[alive] = item
                alive += 1
        left = left[:alive]
    return pairs[:found]


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _best_partner(gains: NDArray[np.float32], taken: NDArray[np.float32], item: np.int64) -> int:
    """First index of the largest gain, or -1 if that is -inf."""
    taken[item] = -np.inf
    most = np.float32(-np.inf)
    for other in range(len(gains)):
        most = max(most, gains[other] + taken[other])
    best = -1
    if most > -np.inf:
        for other in range(len(gains)):
            if gains[other] + taken[other] == most:
                best = other
                break
    taken[item] = 0
    return best


# Reordered sums are what lets the compiler use vector registers.
@njit(nogil=True, cache=True, fastmath=True)
def _join_gains(offered: NDArray[np.float32], rest: NDArray[np.float32]) -> NDArray[np.float32]:
    items, features = offered.shape
    rests = len(rest)
    gains = np.empty((items, rests), dtype=np.float32)
    zero = np.float32(0)
    for strip in range(0, rests, _STRIP):
        for i in range(0, items, _TILE):
            for j in range(strip, min(strip + _STRIP, rests), _TILE):
                g00 = g01 = g02 = g03 = g10 = g11 = g12 = g13 = zero
                g20 = g21 = g22 = g23 = g30 = g31 = g32 = g33 = zero
                for k in range(features):
                    a0, a1, a2, a3 = offered[i, k], offered[i + 1, k], offered[i + 2, k], offered[i + 3, k]
                    b0, b1, b2, b3 = rest[j, k], rest[j + 1, k], rest[j + 2, k], rest[j + 3, k]
                    g00 += max(a0 + b0, zero)
                    g01 += max(a0 + b1, zero)
                    g02 += max(a0 + b2, zero)
                    g03 += max(a0 + b3, zero)
                    g10 += max(a1 + b0, zero)
                    g11 += max(a1 + b1, zero)
                    g12 += max(a1 + b2, zero)
                    g13 += max(a1 + b3, zero)
                    g20 += max(a2 + b0, zero)
                    g21 += max(a2 + b1, zero)
                    g22 += max(a2 + b2, zero)
                    g23 += max(a2 + b3, zero)
                    g30 += max(a3 + b0, zero)
                    g31 += max(a3 + b1, zero)
                    g32 += max(a3 + b2, zero)
                    g33 += max(a3 + b3, zero)
                gains[i, j : j + 4] = g00, g01, g02, g03
                gains[i + 1, j : j + 4] = g10, g11, g12, g13
                gains[i + 2, j : j + 4] = g20, g21, g22, g23
                gains[i + 3, j : j + 4] = g30, g31, g32, g33
    return gains
