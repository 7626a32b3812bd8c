"""How many groups every segment keeps, when the best of a whole matrix are taken by rank.

The groups of a segment stand in falling order here, so that what it keeps is a count.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["count_records", "strongest_counts", "vector_entries"]

_BINS = 4096


def vector_entries(
    ranked: NDArray[np.float64], sums: NDArray[np.float64], price: float
) -> NDArray[np.float64]:
    """Return the price λ per group below which every group is kept: ``sw.segments.entry_prices``, ranked.

    Parameters
    ----------
    ranked : array, shape (blocks, positions, groups)
        Scores of every segment's groups, falling.
    sums : array, shape of ``ranked``
        Their running sums.
    price : float
        μ per vector.
    """
    entries: NDArray[np.float64] = _entries(ranked, sums, price)
    return entries


def strongest_counts(entries: NDArray[np.float64], groups: int) -> tuple[NDArray[np.int64], float]:
    """Return how many groups every segment keeps of the ``groups`` strongest, and the weakest of them.

    Equal entries rank by segment.

    Parameters
    ----------
    entries : array, shape (blocks, positions, groups)
        Not rising along the last axis.
    groups : int
        From 0 to ``entries.size``.

    Returns
    -------
    array of int64, shape (blocks, positions)
    float
        inf if ``groups`` is 0.
    """
    if groups == 0:
        return np.zeros(entries.shape[:2], dtype=np.int64), np.inf
    above, candidates = _candidates(entries, groups)
    rank = len(candidates) - (groups - above)
    weakest = float(np.partition(candidates, rank)[rank])
    ties = groups - above - int(np.count_nonzero(candidates > weakest))
    counts: NDArray[np.int64] = _counts(entries, weakest, ties)
    return counts, weakest


def count_records(occupied: NDArray[np.bool_], advance_width: int) -> int:
    """Return the records of ``occupied`` segments, shape (blocks, positions): vectors, escapes, ends.

    The same arithmetic as ``spec.record.escapes``.
    """
    return int(_records(occupied, advance_width))


@njit(nogil=True, cache=True)
def _entries(ranked: NDArray[np.float64], sums: NDArray[np.float64], price: float) -> NDArray[np.float64]:
    blocks, positions, groups = ranked.shape
    entries = np.empty_like(ranked)
    for block in range(blocks):
        for position in range(positions):
            most = sums[block, position, 0] - price
            for count in range(1, groups):
                most = max(most, (sums[block, position, count] - price) / (count + 1))
            for group in range(groups):
                entries[block, position, group] = min(ranked[block, position, group], most)
    return entries


@njit(nogil=True, cache=True)
def _candidates(entries: NDArray[np.float64], groups: int) -> tuple[int, NDArray[np.float64]]:
    """Return the entries of the bin that holds the ``groups``-th strongest, and how many lie above it."""
    flat = entries.ravel()
    low, high = np.inf, -np.inf
    for entry in flat:
        if -np.inf < entry < np.inf:
            low, high = min(low, entry), max(high, entry)
    # Segments that no price saves lie far below those among which the choice is.
    low = max(low, min(0.0, high))
    scale = (_BINS - 1) / (high - low) if high > low else 1.0
    bins = np.zeros(_BINS, dtype=np.int64)
    for entry in flat:
        bins[_bin(entry, low, scale)] += 1
    above, edge = 0, _BINS - 1
    while above + bins[edge] < groups:
        above += bins[edge]
        edge -= 1
    found = np.empty(bins[edge], dtype=np.float64)
    here = 0
    for entry in flat:
        if _bin(entry, low, scale) == edge:
            found[here] = entry
            here += 1
    return above, found


@njit(nogil=True, cache=True)
def _bin(entry: float, low: float, scale: float) -> int:
    place = (entry - low) * scale
    if place <= 0:
        return 0
    return int(min(place, _BINS - 1.0))


@njit(nogil=True, cache=True)
def _counts(entries: NDArray[np.float64], weakest: float, ties: int) -> NDArray[np.int64]:
    blocks, positions, groups = entries.shape
    counts = np.zeros((blocks, positions), dtype=np.int64)
    for block in range(blocks):
        for position in range(positions):
            count = 0
            while count < groups and entries[block, position, count] > weakest:
                count += 1
            while ties > 0 and count < groups and entries[block, position, count] == weakest:
                count += 1
                ties -= 1
            counts[block, position] = count
    return counts


@njit(nogil=True, cache=True)
def _records(occupied: NDArray[np.bool_], advance_width: int) -> int:
    blocks, positions = occupied.shape
    records = 0
    for block in range(blocks):
        here, before = 0, records
        for position in range(positions):
            if occupied[block, position]:
                records += 1 + (-(-((position - here) >> advance_width) >> advance_width))
                here = position + 1
        if records == before:
            records += 1
    return records
