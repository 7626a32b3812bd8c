"""Masks of a whole model by one pattern, at an exact kept count, quick enough to search while training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from spec.errors import ConfigError
from sw.blocks import Blocking
from sw.layer import grouped_index
from sw.n_m import n_m_mask
from sw.pattern import Method, Pattern
from sw.scores import strongest
from sw.segment_pool import SegmentPool
from sw.segments import segment_mask
from sw.units import HeadUnits, MatrixShape, TileUnits, Units, tile_of

__all__ = ["Allocation", "MaskChooser", "MaskSearch", "Placement", "shares"]

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]
MaskChooser = Callable[[Mapping[str, NDArray[np.float32]], int], Mapping[str, Mask]]
"""Picks the masks of a whole model, M x K by name, from scores and the weights to keep of all matrices."""


class Allocation(Enum):
    """How kept weights are shared among matrices; the value is its name on the command line."""

    MATRIX = "matrix"
    """The same density everywhere."""
    GLOBAL = "global"
    """One threshold for all: matrices get what their scores earn."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How a pattern lies on one matrix.

    Parameters
    ----------
    direction : Direction
    order : array of int64, shape (M,) if vertical, (K,) if horizontal
        Original index of every grouped index.
    """

    direction: Direction
    order: NDArray[np.int64]

    @classmethod
    def plain(cls, shape: MatrixShape, direction: Direction) -> "Placement":
        """Return the placement without a grouping."""
        count = shape.rows if direction is Direction.VERTICAL else shape.cols
        return cls(direction, np.arange(count, dtype=np.int64))

    def grouped(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return an M x K matrix in grouped order."""
        ordered: NDArray[Any] = matrix[grouped_index(self.direction, self.order)]
        return ordered

    def original(self, mask: Mask) -> Mask:
        """Return a mask in grouped order in the original one."""
        undone = np.empty_like(mask)
        undone[grouped_index(self.direction, self.order)] = mask
        return undone


class MaskSearch:
    """Finds the masks of one pattern for any scores and count.

    Parameters
    ----------
    pattern : Pattern
    shapes : sequence of MatrixShape
        All matrices, in the order of the model.
    placements : mapping of str to Placement
        By name.
    allocation : Allocation
        Heads are shared out by layer where others are by matrix.

    Raises
    ------
    ConfigError
        If the pattern is ``HEAD`` and the matrices have none.
    """

    def __init__(
        self,
        pattern: Pattern,
        shapes: Sequence[MatrixShape],
        placements: Mapping[str, Placement],
        allocation: Allocation = Allocation.MATRIX,
    ) -> None:
        self.pattern, self.shapes = pattern, tuple(shapes)
        self.placements, self.allocation = dict(placements), allocation
        self._units = self._tile_units()
        self._pools = self._segment_pools()

    @property
    def weights(self) -> int:
        """Weights of all matrices."""
        return sum(its.size for its in self.shapes)

    def masks(self, scores: Mapping[str, Scores], kept: int) -> dict[str, Mask]:
        """Return the masks that retain most score, M x K by name, in original order.

        Parameters
        ----------
        scores : mapping of str to array, shape (M, K)
            Importance of every weight, at least 0, in original order.
        kept : int
            Weights to keep in all matrices, met to the nearest unit (in every matrix, if shared out
            by matrix). N:M masks keep N of every M whatever the count says, and more if it says so.

        Raises
        ------
        ConfigError
            If the count is out of range or the metadata budget cannot be met.
        """
        if not 0 <= kept <= self.weights:
            raise ConfigError(f"`kept` must be from 0 to the {self.weights} weights of the model, not {kept}")
        ordered = {its.name: self.placements[its.name].grouped(scores[its.name]) for its in self.shapes}
        if self.pattern.method is Method.N_M:
            found = self._n_m_masks(ordered, kept)
        elif self.pattern.method is Method.MIXED_VECTOR:
            found = self._vector_masks(ordered, kept)
        else:
            found = self._unit_masks(ordered, kept)
        return {name: self.placements[name].original(mask) for name, mask in found.items()}

    def _tile_units(self) -> Units | None:
        method, tiles = self.pattern.method, {}
        if method in (Method.MIXED_VECTOR, Method.N_M):
            return None
        if method is Method.HEAD:
            return HeadUnits(self.shapes)
        for its in self.shapes:
            direction = self.placements[its.name].direction
            match method:
                case Method.VECTOR:
                    tiles[its.name] = tile_of(its, direction, self.pattern.size)
                case Method.CHANNEL:
                    tiles[its.name] = tile_of(its, direction, None)
                case Method.BLOCK:
                    tiles[its.name] = self.pattern.size, self.pattern.size
                case _:
                    tiles[its.name] = 1, 1
        return TileUnits(self.shapes, tiles)

    def _segment_pools(self) -> list[SegmentPool]:
        if self.pattern.method is not Method.MIXED_VECTOR or self.pattern.contiguous:
            return []
        blockings = [
            Blocking(its.rows, its.cols, self.placements[its.name].direction, self.pattern.arch)
            for its in self.shapes
        ]
        budget = self.pattern.metadata_bits
        if self.allocation is Allocation.GLOBAL:
            return [SegmentPool(blockings, budget)]
        return [SegmentPool([blocking], budget) for blocking in blockings]

    def _vector_masks(self, ordered: Mapping[str, Scores], kept: int) -> dict[str, Mask]:
        names = [its.name for its in self.shapes]
        if self.allocation is Allocation.GLOBAL and self._pools:
            masks = self._pools[0].masks([ordered[name] for name in names], kept)
            return dict(zip(names, masks, strict=True))
        if self.allocation is Allocation.GLOBAL:
            raise ConfigError("the strict form is searched matrix by matrix; allocate by matrix instead")
        counts = self._shares(kept)
        if self._pools:
            return {
                name: pool.masks([ordered[name]], counts[name])[0]
                for name, pool in zip(names, self._pools, strict=True)
            }
        return {
            name: segment_mask(
                ordered[name],
                kept=counts[name],
                direction=self.placements[name].direction,
                arch=self.pattern.arch,
                metadata_bits=self.pattern.metadata_bits,
                contiguous=True,
            )
            for name in names
        }

    def _n_m_masks(self, ordered: Mapping[str, Scores], kept: int) -> dict[str, Mask]:
        n, m = self.pattern.kept_of
        counts = self._shares(kept)
        return {
            its.name: n_m_mask(
                ordered[its.name],
                kept=counts[its.name],
                n=n,
                m=m,
                direction=self.placements[its.name].direction,
            )
            for its in self.shapes
        }

    def _unit_masks(self, ordered: Mapping[str, Scores], kept: int) -> dict[str, Mask]:
        units = self._units
        assert units is not None
        covered = int(units.sizes.sum())
        kept = max(kept - (self.weights - covered), 0)
        # By weight, or large units would beat better small ones.
        strengths = units.sums(ordered) / units.sizes
        if self.allocation is Allocation.GLOBAL:
            return units.masks(strongest(strengths, units.sizes, kept))
        totals = np.bincount(units.pools, weights=units.sizes).astype(np.int64)
        chosen = np.zeros(len(strengths), np.bool_)
        for pool, share in enumerate(_share(kept, totals)):
            its = units.pools == pool
            chosen[its] = strongest(strengths[its], units.sizes[its], int(share))
        return units.masks(chosen)

    def _shares(self, kept: int) -> dict[str, int]:
        return dict(zip((its.name for its in self.shapes), shares(kept, self.shapes), strict=True))


def shares(kept: int, shapes: Sequence[MatrixShape]) -> list[int]:
    """Return counts of one density for all matrices that add up to ``kept``."""
    return list(map(int, _share(kept, np.asarray([its.size for its in shapes], np.int64))))


def _share(kept: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts proportional to ``sizes`` that add up to ``kept``, largest remainders first."""
    total = int(sizes.sum())
    if total == 0:
        return np.zeros_like(sizes)
    products = [int(size) * kept for size in sizes]
    counts = np.asarray([product // total for product in products], np.int64)
    remainders = np.asarray([product % total for product in products], np.int64)
    order = np.argsort(-remainders, kind="stable")
    counts[order[: kept - int(counts.sum())]] += 1
    return counts
