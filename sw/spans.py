"""Spans of blocks: beats and records of any range of positions, from cumulative sums."""

from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig

__all__ = ["KeptGroups", "KeptVectors", "escape_counts"]

Ints = NDArray[np.int64]
Gaps = TypeVar("Gaps", int, Ints)


def escape_counts(gaps: Gaps, arch: ArchConfig) -> Gaps:
    """Return how many escape records stand before a vector ``gaps`` positions on (see ``spec.record``)."""
    width = arch.advance_width
    return -(-(gaps >> width) >> width)


class KeptVectors(NamedTuple):
    """The vectors of a layer, as compiled code takes them.

    Vectors ``low`` to ``high`` - 1 of a block have ``beats_before[high] - beats_before[low]`` beats, and
    records alike, but for the escapes before the first: they depend on where the span starts.

    Parameters
    ----------
    first : ndarray of int64, shape (blocks + 1,)
        First vector of every block; the last entry is their number.
    position : ndarray of int64, shape (vectors,)
        Where they are, rising in a block.
    beats_before, records_before : ndarray of int64, shape (vectors + 1,)
        Of all vectors before each, if no block is cut.
    advance_width : int
        As in ``ArchConfig``; decides about the records.
    """

    first: Ints
    position: Ints
    beats_before: Ints
    records_before: Ints
    advance_width: int


class KeptGroups:
    """The groups that a layer keeps, and its vectors, which many architectures share.

    Parameters
    ----------
    groups : ndarray of bool, shape (blocks, positions, B / L)
        In grouped order; positions as in ``spec.record``.
    """

    def __init__(self, groups: NDArray[np.bool_]) -> None:
        self.groups = groups
        self._vectors: dict[int, KeptVectors] = {}

    @cached_property
    def places(self) -> tuple[Ints, Ints]:
        """Block and position of every vector, ascending."""
        block, position = np.nonzero(self.groups.any(axis=-1))
        return block, position

    @cached_property
    def beats(self) -> Ints:
        """Beats of every vector, its kept groups."""
        beats: Ints = self.groups[self.places].sum(axis=-1, dtype=np.int64)
        return beats

    def vectors(self, arch: ArchConfig) -> KeptVectors:
        """Return the vectors, with records of ``arch``."""
        width = arch.advance_width
        if width not in self._vectors:
            block, position = self.places
            opens = np.diff(block, prepend=-1) > 0
            gaps = position - np.where(opens, -1, np.roll(position, 1)) - 1
            self._vectors[width] = KeptVectors(
                first=np.searchsorted(block, np.arange(len(self.groups) + 1)),
                position=position,
                beats_before=np.concatenate(([0], self.beats.cumsum())),
                records_before=np.concatenate(([0], (1 + escape_counts(gaps, arch)).cumsum())),
                advance_width=width,
            )
        return self._vectors[width]
