"""Mixed-length vectors: the groups that every segment keeps, at an exact count and metadata budget.

Groups are arrays of shape (blocks, positions, groups), as ``sw.blocks`` splits a matrix that has been
put in grouped order (see ``sw.grouping``).
"""

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.blocks import Blocking
from sw.record_path import record_paths
from sw.scores import strongest

__all__ = [
    "best_dyadic",
    "best_groups",
    "entry_prices",
    "kept_groups",
    "record_bits",
    "record_count",
    "segment_mask",
    "segment_prices",
]

_TOLERANCE = 0.002
_STEPS = 40


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
    return record_count(kept_groups(mask, direction, arch), arch) * arch.record_width


def record_count(groups: NDArray[np.bool_], arch: ArchConfig) -> int:
    """Return how many records the kept ``groups``, shape (blocks, positions, groups), take."""
    occupied: NDArray[np.bool_] = np.logical_or.reduce(groups, axis=2)
    blocks, positions = np.nonzero(occupied)
    gaps = np.diff(positions, prepend=-1) - 1
    first = np.diff(blocks, prepend=-1) > 0
    gaps[first] = positions[first]
    width = arch.advance_width
    # The same arithmetic as spec.record.escapes, on all gaps at once.
    skipped = -(-(gaps >> width) >> width)
    empty = int(np.count_nonzero(~occupied.any(axis=1)))
    return len(positions) + int(skipped.sum()) + empty


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
        groups, _ = _within_budget(_DyadicSearch(scores, sizes, kept), arch, metadata_bits)
        return _mask_of(groups, blocking)
    base = _RankedSearch(scores, sizes, kept)
    path = _PathSearch(base, arch.advance_width)
    try:
        groups, price = _within_budget(base, arch, metadata_bits)
    except ConfigError:
        if not price_escapes:
            raise
        groups, _ = _within_budget(path, arch, metadata_bits)
        return _mask_of(groups, blocking)
    if price > 0 and price_escapes:
        try:
            closer, _ = _within_budget(path, arch, metadata_bits, highest=2 * price)
        except ConfigError:
            closer = groups
        if scores[closer].sum() > scores[groups].sum():
            groups = closer
    return _mask_of(groups, blocking)


class _RankedSearch:
    """Masks of the exact kept count for any price μ of a vector, by rank of entry prices."""

    def __init__(self, scores: NDArray[np.float64], sizes: NDArray[np.int64], kept: int) -> None:
        self.scores, self.sizes, self.kept = scores, sizes, kept
        self.ranks = np.argsort(-scores, axis=-1, kind="stable")
        self.ranked = np.take_along_axis(scores, self.ranks, axis=-1)
        self.ranked_sizes = np.take_along_axis(sizes, self.ranks, axis=-1)
        self._sums = _running_sums(self.ranked)

    def groups(self, price: float) -> NDArray[np.bool_]:
        """Return the kept groups at μ = ``price``; equal entries rank by segment, then by score."""
        entries = np.minimum(self.ranked, segment_prices(self._sums, price)[..., None])
        return self.placed(strongest(entries, self.ranked_sizes, self.kept))

    def placed(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return groups chosen in falling order of score at their own places."""
        groups = np.empty_like(chosen)
        np.put_along_axis(groups, self.ranks, chosen, axis=-1)
        return groups


class _PathSearch:
    """Masks of the exact kept count for any price μ of a record, escapes included."""

    def __init__(self, base: _RankedSearch, advance_width: int) -> None:
        self.scores, self.sizes, self.kept = base.scores, base.sizes, base.kept
        self._base, self._advance_width = base, advance_width
        self._totals = np.cumsum(base.ranked_sizes, axis=-1)

    def groups(self, price: float) -> NDArray[np.bool_]:
        """Return the kept groups at μ = ``price``.

        The last λ that keeps too little is filled up with the strongest groups of the vectors that are
        there already, which costs no record.
        """
        low, high = -(price + 1.0), float(self.scores.max(initial=0.0)) + 1.0
        fewer = np.zeros(self.scores.shape[:2], dtype=np.int64)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            counts = record_paths(self._base.ranked, middle, price, self._advance_width)
            ends = np.take_along_axis(self._totals, np.maximum(counts - 1, 0)[..., None], axis=-1)[..., 0]
            missing = self.kept - int(ends[counts > 0].sum())
            if missing < 0:
                low = middle
            else:
                high, fewer = middle, counts
                if missing <= _TOLERANCE * self.kept:
                    break
        ranked = self._base.ranked
        above = 2 * (1 + float(self.scores.max(initial=0.0)))
        strength = ranked + np.where(fewer > 0, above, 0.0)[..., None]
        strength[np.arange(ranked.shape[-1]) < fewer[..., None]] = np.inf
        return self._base.placed(strongest(strength, self._base.ranked_sizes, self.kept))


class _DyadicSearch:
    """Masks of the exact kept count for any price μ, in the strict form."""

    def __init__(self, scores: NDArray[np.float64], sizes: NDArray[np.int64], kept: int) -> None:
        self.scores, self.sizes, self.kept = scores, sizes, kept

    def groups(self, price: float) -> NDArray[np.bool_]:
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
        return strongest(rank, self.sizes, self.kept)


def _within_budget(
    search: _RankedSearch | _PathSearch | _DyadicSearch,
    arch: ArchConfig,
    metadata_bits: float | None,
    highest: float | None = None,
) -> tuple[NDArray[np.bool_], float]:
    """Return the groups at the lowest price on records that meets the budget, and that price."""
    groups = search.groups(0.0)
    if metadata_bits is None or _bits_per_kept(groups, search.sizes, arch) <= metadata_bits:
        return groups, 0.0
    if highest is None:
        real = np.where(search.sizes > 0, search.scores, 0.0)
        highest = 2 * float(real.sum(axis=-1).max()) * arch.groups
    low, high = 0.0, highest
    best = search.groups(high)
    least = _bits_per_kept(best, search.sizes, arch)
    if least > metadata_bits:
        raise ConfigError(
            f"`metadata_bits` must be at least {least:.3f} bits per kept weight for this matrix, not "
            f"{metadata_bits}; raise it, keep more weights or use a longer segment"
        )
    for _ in range(_STEPS):
        # Useful prices lie orders of magnitude below the bound, so close in on them by ratios first.
        price = (low + high) / 2 if low > 0 else high / 4
        groups = search.groups(price)
        bits = _bits_per_kept(groups, search.sizes, arch)
        if bits > metadata_bits:
            low = price
        else:
            high, best = price, groups
            if bits >= metadata_bits * (1 - _TOLERANCE):
                break
    return best, high


def _mask_of(groups: NDArray[np.bool_], blocking: Blocking) -> NDArray[np.bool_]:
    return blocking.join(np.repeat(groups[..., None], blocking.arch.lanes, axis=3))


def _bits_per_kept(groups: NDArray[np.bool_], sizes: NDArray[np.int64], arch: ArchConfig) -> float:
    kept = int(sizes[groups].sum())
    return record_count(groups, arch) * arch.record_width / kept if kept else 0.0
