"""Mixed-length vectors over several matrices at one price per group and one price per record."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError
from sw.blocks import Blocking
from sw.scores import strongest
from sw.segments import record_count, segment_prices

__all__ = ["SegmentPool"]

_TOLERANCE = 0.002
_STEPS = 40
_BRACKET = 1.5
"""How far a price is trusted from one mask to the next, as a factor."""


class SegmentPool:
    """The optimum of ``sw.segments`` for several matrices together.

    One λ and one μ for all matrices meet one kept count and one budget. The price μ is kept from mask to
    mask: while weights are trained it drifts slowly, so its bisection starts from the last one.

    Parameters
    ----------
    blockings : sequence of Blocking
        One for each matrix; all of one architecture.
    metadata_bits : float, optional
        Most record bits per kept weight over all matrices; None for no limit.
    """

    def __init__(self, blockings: Sequence[Blocking], metadata_bits: float | None) -> None:
        self.blockings, self.metadata_bits = tuple(blockings), metadata_bits
        self.arch = self.blockings[0].arch
        self._shapes = [its.shape[:3] for its in self.blockings]
        sizes = [its.inside().sum(axis=3, dtype=np.int64) for its in self.blockings]
        self._sizes = np.concatenate([its.reshape(-1, self.arch.groups) for its in sizes])
        self._price: float | None = None

    def masks(self, scores: Sequence[NDArray[np.floating]], kept: int) -> list[NDArray[np.bool_]]:
        """Return the masks that retain most score.

        Parameters
        ----------
        scores : sequence of array, shape (M, K)
            At least 0, in grouped order, one for each blocking.
        kept : int
            Weights to keep in all matrices, met to the nearest group.

        Raises
        ------
        ConfigError
            If no price on records meets the budget.
        """
        groups = self._within_budget(_Ranking(self._group_scores(scores), self._sizes, kept))
        lanes = self.arch.lanes
        return [
            blocking.join(np.repeat(part[..., None], lanes, axis=3))
            for blocking, part in zip(self.blockings, self._split(groups), strict=True)
        ]

    def _group_scores(self, scores: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        parts = [
            blocking.split(score).sum(axis=3, dtype=np.float64).reshape(-1, self.arch.groups)
            for blocking, score in zip(self.blockings, scores, strict=True)
        ]
        return np.where(self._sizes > 0, np.concatenate(parts), -np.inf)

    def _split(self, groups: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        ends = np.cumsum([shape[0] * shape[1] for shape in self._shapes])
        return [
            part.reshape(shape) for part, shape in zip(np.split(groups, ends[:-1]), self._shapes, strict=True)
        ]

    def _bits_per_kept(self, groups: NDArray[np.bool_]) -> float:
        kept = int(self._sizes[groups].sum())
        records = sum(record_count(part, self.arch) for part in self._split(groups))
        return records * self.arch.record_width / kept if kept else 0.0

    def _within_budget(self, ranking: "_Ranking") -> NDArray[np.bool_]:
        """Return the groups at the lowest price that meets the budget."""
        budget = self.metadata_bits
        groups = ranking.groups(0.0)
        if budget is None or self._bits_per_kept(groups) <= budget:
            return groups
        low, high, best = 0.0, ranking.highest_price, None
        if self._price is not None and self._price < high:
            near = self._price * _BRACKET
            groups = ranking.groups(near)
            if self._bits_per_kept(groups) <= budget:
                high, best = near, groups
                low = self._lower_bound(ranking, budget)
        if best is None:
            best = ranking.groups(high)
            least = self._bits_per_kept(best)
            if least > budget:
                raise ConfigError(
                    f"`metadata_bits` must be at least {least:.3f} bits per kept weight for this model, not "
                    f"{budget:g}; raise it, keep more weights or use a longer segment"
                )
        for _ in range(_STEPS):
            # Useful prices lie orders of magnitude below the bound, so close in on them by ratios first.
            price = (low + high) / 2 if low > 0 else high / 4
            groups = ranking.groups(price)
            bits = self._bits_per_kept(groups)
            if bits > budget:
                low = price
            else:
                high, best = price, groups
                if bits >= budget * (1 - _TOLERANCE):
                    break
        self._price = high
        return best

    def _lower_bound(self, ranking: "_Ranking", budget: float) -> float:
        assert self._price is not None
        price = self._price / _BRACKET
        return price if self._bits_per_kept(ranking.groups(price)) > budget else 0.0


class _Ranking:
    """Groups of the exact kept count for any price μ of a record, by rank of their entry prices."""

    def __init__(self, scores: NDArray[np.float64], sizes: NDArray[np.int64], kept: int) -> None:
        self._scores, self._sizes, self._kept = scores, sizes, kept
        self._sums = (-np.sort(-scores, axis=-1)).cumsum(axis=-1)
        real = np.where(sizes > 0, scores, 0.0)
        self.highest_price = 2 * float(real.sum(axis=-1).max(initial=0.0)) * scores.shape[-1] + 1e-30

    def groups(self, price: float) -> NDArray[np.bool_]:
        entries = np.minimum(self._scores, segment_prices(self._sums, price)[..., None])
        return strongest(entries, self._sizes, self._kept)
