"""Mixed-length vectors: the groups that every segment keeps, at an exact count and metadata budget.

Groups are arrays of shape (blocks, positions, groups), as ``sw.blocks`` splits a matrix that has been
put in grouped order (see ``sw.grouping``).
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.blocks import Blocking
from sw.bracket import fall_to
from sw.record_budget import closest, fewest_bits, highest_price, within_budget
from sw.record_path import record_paths
from sw.scores import strongest
from sw.segment_ranks import count_records, strongest_counts, vector_entries

__all__ = [
    "best_dyadic",
    "best_groups",
    "entry_prices",
    "kept_groups",
    "record_bits",
    "segment_mask",
    "segment_prices",
]

_TOLERANCE = 0.002
_STEPS = 40

_Number = TypeVar("_Number", np.float64, np.int64)


def kept_groups(mask: NDArray[np.bool_], direction: Direction, arch: ArchConfig) -> NDArray[np.bool_]:
    """Return the groups in which ``mask``, shape (M, K) in grouped order, keeps any weight."""
    rows, cols = mask.shape
    parts = Blocking(rows, cols, direction, arch).split(mask)
    kept: NDArray[np.bool_] = np.logical_or.reduce(parts, axis=3)
    return kept


def record_bits(mask: NDArray[np.bool_], direction: Direction, arch: ArchConfig) -> int:
    """Return the bits of all records of a mask: vectors, escapes and the end of every block.

    Exactly what ``spec.record`` encodes if each block of B outputs is one part of one pass.

    Parameters
    ----------
    mask : array of bool, shape (M, K)
        In grouped order.
    direction : Direction
    arch : ArchConfig
    """
    occupied: NDArray[np.bool_] = np.logical_or.reduce(kept_groups(mask, direction, arch), axis=2)
    return count_records(occupied, arch.advance_width) * arch.record_width


def entry_prices(scores: NDArray[np.floating], price: float) -> NDArray[np.float64]:
    """Return, for every group, the price λ per group below which the optimum keeps it.

    A segment earns Σ(score − λ) over the groups it keeps, less ``price`` (μ) for its record. Its best
    ``n`` groups earn more than nothing while λ < (sum of their scores − μ) / n, so it is kept below the
    largest of these, and a group in it below its own score too. The optimum for (λ, μ) is therefore
    ``entry_prices(scores, μ) > λ``: nested in λ, so any kept count is reached by rank, without search.

    Parameters
    ----------
    scores : array, shape (..., groups)
        Importance of every group; -inf in padding.
    price : float
        μ, in the unit of the scores.
    """
    ranked = -np.sort(-scores, axis=-1)
    entries: NDArray[np.float64] = np.minimum(scores, segment_prices(_running_sums(ranked), price)[..., None])
    return entries


def best_groups(scores: NDArray[np.floating], threshold: float, price: float) -> NDArray[np.bool_]:
    """Return the exact optimum for λ = ``threshold`` and μ = ``price``; shapes as in ``entry_prices``."""
    return entry_prices(scores, price) > threshold


def _running_sums(ranked: NDArray[np.floating]) -> NDArray[np.float64]:
    return ranked.astype(np.float64).cumsum(axis=-1)


def segment_prices(sums: NDArray[np.float64], price: float) -> NDArray[np.float64]:
    """Return the λ below which each segment keeps anything, from running sums of its ranked groups."""
    best: NDArray[np.float64] = sums[..., 0] - price
    for count in range(1, sums.shape[-1]):
        best = np.maximum(best, (sums[..., count] - price) / (count + 1))
    return best


def best_dyadic(scores: NDArray[np.floating], threshold: float, price: float) -> NDArray[np.bool_]:
    """Return the strict form's optimum: aligned runs of 2^n groups, each at its own ``price``.

    Every node of the dyadic tree over a segment takes the best of nothing, one run over all of it, and
    its halves; nothing wins ties, then the halves.

    Parameters
    ----------
    scores : array, shape (..., groups)
        Importance of every group, -inf in padding; ``groups`` a power of two.
    threshold, price : float
        λ per group and μ per run.
    """
    gains = scores.astype(np.float64) - threshold
    values = [np.maximum(gains - price, 0.0)]
    whole = [gains - price > 0]
    while gains.shape[-1] > 1:
        gains = gains[..., ::2] + gains[..., 1::2]
        halves = values[-1][..., ::2] + values[-1][..., 1::2]
        whole.append(gains - price > halves)
        values.append(np.maximum(gains - price, halves))
    kept = whole[-1]
    for level in reversed(whole[:-1]):
        kept = np.repeat(kept, 2, axis=-1) | level
    return kept


def segment_mask(
    score: NDArray[np.floating],
    *,
    kept: int,
    direction: Direction,
    arch: ArchConfig,
    metadata_bits: float | None = None,
    contiguous: bool = False,
    price_escapes: bool = True,
) -> NDArray[np.bool_]:
    """Return the mask of mixed-length vectors that retains most score.

    The kept count is met to the nearest group: exactly ``round(kept / L)`` groups where all groups are
    whole; where M or K leaves partial groups, the ranked groups whose real weights come closest.

    Parameters
    ----------
    score : array, shape (M, K)
        Importance of every weight, at least 0, in grouped order.
    kept : int
        Weights to keep.
    direction : Direction
    arch : ArchConfig
    metadata_bits : float, optional
        Most record bits per kept weight (see ``record_bits``); None for no limit.
    contiguous : bool
        Use the strict form: adjacent groups, power-of-two lengths.
    price_escapes : bool
        Let the budget choose by whole records, which retains more and takes longer; the strict form
        prices vectors only.

    Returns
    -------
    array of bool, shape (M, K)

    Raises
    ------
    ConfigError
        If no price on records meets the budget; names the least bits per kept weight.
    """
    rows, cols = score.shape
    blocking = Blocking(rows, cols, direction, arch)
    sizes = blocking.inside().sum(axis=3, dtype=np.int64)
    scores = np.where(sizes > 0, blocking.split(score).sum(axis=3, dtype=np.float64), -np.inf)
    if contiguous:
        strict = _DyadicSearch(scores, sizes, kept, arch)
        return _mask_of(within_budget(strict, metadata_bits).found, blocking)
    base = _RankedSearch(scores, sizes, kept, arch)
    try:
        met = within_budget(base, metadata_bits)
    except ConfigError:
        if not price_escapes:
            raise
        met = within_budget(_PathSearch(base), metadata_bits)
    else:
        if met.point > 0 and price_escapes and metadata_bits is not None:
            closer = closest(_PathSearch(base), metadata_bits, met.point)
            if closer.value <= metadata_bits and base.total(closer.found) > base.total(met.found):
                met = closer
    counts = met.found
    return _mask_of(base.placed(counts), blocking)


class _RankedSearch:
    """Choices by rank of entry prices: how many groups every segment keeps."""

    def __init__(
        self, scores: NDArray[np.float64], sizes: NDArray[np.int64], kept: int, arch: ArchConfig
    ) -> None:
        self.kept, self.arch = kept, arch
        self._ranks = np.argsort(-scores, axis=-1, kind="stable")
        self.ranked = np.take_along_axis(scores, self._ranks, axis=-1)
        self._sums = _running_sums(self.ranked)
        self._sizes = np.take_along_axis(sizes, self._ranks, axis=-1)
        start = ((0, 0), (0, 0), (1, 0))
        self._weights = np.pad(np.cumsum(self._sizes, axis=-1), start)
        self._totals = np.pad(np.where(self._sizes > 0, self._sums, 0.0), start)
        self._whole = bool((sizes == arch.lanes).all())
        self.highest, self.floor = highest_price(scores, sizes), fewest_bits(len(scores), kept, arch)
        self.scale = self.strongest(self.ranked)[1]

    def choose(self, price: float) -> tuple[NDArray[np.int64], float]:
        """Return the counts at μ = ``price``; equal entries rank by segment, then by score."""
        counts, _ = self.strongest(self.entries(price))
        return counts, self.bits(counts)

    def entries(self, price: float) -> NDArray[np.float64]:
        """Return the entry price of every group at μ = ``price``."""
        return vector_entries(self.ranked, self._sums, price)

    def strongest(self, entries: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
        """Return the counts of the strongest entries, as many as come closest to ``kept``; the weakest."""
        if self._whole:
            lanes = self.arch.lanes
            return strongest_counts(entries, min((2 * self.kept + lanes - 1) // (2 * lanes), entries.size))
        chosen = strongest(entries, self._sizes, self.kept)
        weakest = float(entries[chosen].min(initial=np.inf))
        return chosen.sum(axis=-1, dtype=np.int64), weakest

    def weights(self, counts: NDArray[np.int64]) -> int:
        """Return how many weights the counts keep."""
        return int(_sum_at(self._weights, counts))

    def total(self, counts: NDArray[np.int64]) -> float:
        """Return the score that the counts keep."""
        return float(_sum_at(self._totals, counts))

    def bits(self, counts: NDArray[np.int64]) -> float:
        """Return the record bits per kept weight."""
        return _bits_per_kept(counts > 0, self.weights(counts), self.arch)

    def placed(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the groups that the counts keep, at their own places."""
        groups = np.empty(self.ranked.shape, dtype=bool)
        np.put_along_axis(groups, self._ranks, np.arange(self.arch.groups) < counts[..., None], axis=-1)
        return groups


class _PathSearch:
    """Choices by price λ of a group and μ of a record, escapes included."""

    def __init__(self, base: _RankedSearch) -> None:
        self._base = base
        self.scale, self.highest, self.floor = base.scale, base.highest, base.floor
        self._near = base.scale

    def choose(self, price: float) -> tuple[NDArray[np.int64], float]:
        """Return the counts at μ = ``price``.

        The last λ that keeps too little is filled up with the strongest groups of the vectors that are
        there already, which costs no record.
        """
        base = self._base
        top = float(base.ranked.max(initial=0.0))

        def kept_at(threshold: float) -> tuple[NDArray[np.int64], float]:
            counts = record_paths(base.ranked, threshold, price, base.arch.advance_width)
            return counts, base.weights(counts)

        met = fall_to(
            kept_at,
            base.kept,
            start=self._near,
            width=0.02 * (top + price) + 1e-9,
            lowest=-(price + 1.0),
            highest=top + 1.0,
            slack=_TOLERANCE,
        )
        self._near, fewer = met.point, met.found
        # Whole vectors follow, as μ has it.
        strength = base.entries(price)
        opened = fewer > 0
        strength[opened] = base.ranked[opened] + 2 * (1 + top)
        strength[np.arange(base.arch.groups) < fewer[..., None]] = np.inf
        counts, _ = base.strongest(strength)
        return counts, base.bits(counts)


class _DyadicSearch:
    """Choices in the strict form: the kept groups."""

    def __init__(
        self, scores: NDArray[np.float64], sizes: NDArray[np.int64], kept: int, arch: ArchConfig
    ) -> None:
        self.scores, self.sizes, self.kept, self.arch = scores, sizes, kept, arch
        self.highest, self.floor = highest_price(scores, sizes), fewest_bits(len(scores), kept, arch)
        self.scale = float(scores[strongest(scores, sizes, kept)].min(initial=np.inf))

    def choose(self, price: float) -> tuple[NDArray[np.bool_], float]:
        """Return the kept groups at μ = ``price``.

        The optimum is nested in λ: one run over a node has the steepest slope in λ, nothing the
        flattest. So the groups between two bisected optima fill up the smaller one.
        """
        low, high = -(price + 1.0), float(self.scores.max(initial=0.0)) + 1.0
        more = self.sizes > 0
        fewer = np.zeros_like(more)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            groups = best_dyadic(self.scores, middle, price)
            if int(self.sizes[groups].sum()) > self.kept:
                low, more = middle, groups
            else:
                high, fewer = middle, groups
            between = int(self.sizes[more].sum()) - int(self.sizes[fewer].sum())
            if between <= _TOLERANCE * self.kept:
                break
        rank = np.where(fewer, 2.0, np.where(more, 1.0, 0.0))
        groups = strongest(rank, self.sizes, self.kept)
        occupied: NDArray[np.bool_] = np.logical_or.reduce(groups, axis=-1)
        return groups, _bits_per_kept(occupied, int(self.sizes[groups].sum()), self.arch)


def _sum_at(table: NDArray[_Number], counts: NDArray[np.int64]) -> _Number:
    """Return the sum over all segments of ``table`` at their counts."""
    total: _Number = np.take_along_axis(table, counts[..., None], axis=-1).sum()
    return total


def _bits_per_kept(occupied: NDArray[np.bool_], kept: int, arch: ArchConfig) -> float:
    records = count_records(occupied, arch.advance_width)
    return records * arch.record_width / kept if kept else 0.0


def _mask_of(groups: NDArray[np.bool_], blocking: Blocking) -> NDArray[np.bool_]:
    return blocking.join(np.repeat(groups[..., None], blocking.arch.lanes, axis=3))
