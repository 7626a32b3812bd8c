"""Mixed-length vectors over several matrices at one price per group and one price per record."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sw.blocks import Blocking
from sw.record_budget import fewest_bits, highest_price, within_budget
from sw.scores import strongest
from sw.segment_ranks import count_records
from sw.segments import segment_prices

__all__ = ["SegmentPool"]


class SegmentPool:
    """The optimum of ``sw.segments`` for several matrices together.

    One λ and one μ for all matrices meet one kept count and one budget, searched anew for every mask: the
    price drifts as weights are trained.

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
        self.shapes = [its.shape[:3] for its in self.blockings]
        sizes = [its.inside().sum(axis=3, dtype=np.int64) for its in self.blockings]
        self.sizes = np.concatenate([its.reshape(-1, self.arch.groups) for its in sizes])

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
        groups = within_budget(_PoolSearch(self, scores, kept), self.metadata_bits).found
        lanes = self.arch.lanes
        return [
            blocking.join(np.repeat(part[..., None], lanes, axis=3))
            for blocking, part in zip(self.blockings, self.split(groups), strict=True)
        ]

    def group_scores(self, scores: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Return the score of every group of all matrices, (segments, groups); -inf in padding."""
        parts = [
            blocking.split(score).sum(axis=3, dtype=np.float64).reshape(-1, self.arch.groups)
            for blocking, score in zip(self.blockings, scores, strict=True)
        ]
        return np.where(self.sizes > 0, np.concatenate(parts), -np.inf)

    def split(self, groups: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the groups of each matrix, (blocks, positions, groups)."""
        ends = np.cumsum([shape[0] * shape[1] for shape in self.shapes])
        return [
            part.reshape(shape) for part, shape in zip(np.split(groups, ends[:-1]), self.shapes, strict=True)
        ]


class _PoolSearch:
    """Choices of the exact kept count over all matrices: the kept groups, (segments, groups)."""

    def __init__(self, pool: SegmentPool, scores: Sequence[NDArray[np.floating]], kept: int) -> None:
        self._pool, self._scores, self._kept = pool, pool.group_scores(scores), kept
        self._sums = (-np.sort(-self._scores, axis=-1)).cumsum(axis=-1)
        self.highest = highest_price(self._scores, pool.sizes)
        self.floor = fewest_bits(sum(shape[0] for shape in pool.shapes), kept, pool.arch)
        chosen = strongest(self._scores, pool.sizes, kept)
        self.scale = float(self._scores[chosen].min(initial=np.inf))

    def choose(self, price: float) -> tuple[NDArray[np.bool_], float]:
        """Return the groups at μ = ``price`` and their record bits per kept weight."""
        entries = np.minimum(self._scores, segment_prices(self._sums, price)[..., None])
        groups, arch = strongest(entries, self._pool.sizes, self._kept), self._pool.arch
        kept = int(self._pool.sizes[groups].sum())
        records = sum(
            count_records(np.logical_or.reduce(part, axis=2), arch.advance_width)
            for part in self._pool.split(groups)
        )
        return groups, records * arch.record_width / kept if kept else 0.0
