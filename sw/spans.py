"""Spans of blocks: beats and records of any range of positions, from cumulative sums."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig

__all__ = ["ChunkSpans", "KeptGroups", "Span", "escape_counts"]

Gaps = TypeVar("Gaps", int, NDArray[np.int64])


def escape_counts(gaps: Gaps, arch: ArchConfig) -> Gaps:
    """Return how many escape records stand before a vector ``gaps`` positions on (see ``spec.record``)."""
    width = arch.advance_width
    return -(-(gaps >> width) >> width)


@dataclass(frozen=True)
class Span:
    """Positions ``start`` to ``stop`` - 1 of a block.

    Parameters
    ----------
    block, start, stop : int
    beats : int
    records : int
        When ``next`` starts at the first position.
    """

    block: int
    start: int
    stop: int
    beats: int
    records: int


class ChunkSpans:
    """Spans of the blocks of one chunk.

    Parameters
    ----------
    groups : ndarray of bool, shape (blocks, positions, B / L)
        Groups kept, in grouped order.
    arch : ArchConfig
        Its ``advance_width`` alone counts.
    """

    def __init__(self, groups: NDArray[np.bool_], arch: ArchConfig) -> None:
        self._arch = arch
        self._positions = groups.shape[1]
        beats = groups.sum(axis=-1, dtype=np.int64)
        kept = beats > 0
        place = np.arange(self._positions)
        last = np.maximum.accumulate(np.where(kept, place, -1), axis=1)
        gap = place - 1 - np.pad(last[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
        records = np.where(kept, 1 + escape_counts(gap, arch), 0)
        start = ((0, 0), (1, 0))
        self._beats_before = np.pad(beats.cumsum(axis=1), start)
        self._records_before = np.pad(records.cumsum(axis=1), start)
        following = np.minimum.accumulate(np.where(kept, place, self._positions)[:, ::-1], axis=1)
        self._next_vector = np.pad(following[:, ::-1], ((0, 0), (0, 1)), constant_values=self._positions)

    @cached_property
    def whole(self) -> tuple[Span, ...]:
        """Every block, uncut."""
        return tuple(self.span(block, 0, self._positions) for block in range(len(self._beats_before)))

    def span(self, block: int, start: int, stop: int) -> Span:
        """Return a span with what it takes."""
        beats = self._beats_before[block]
        return Span(block, start, stop, int(beats[stop] - beats[start]), self._records(block, start, stop))

    def _records(self, block: int, start: int, stop: int) -> int:
        first = int(self._next_vector[block, start])
        if first >= stop:
            return 1
        row = self._records_before[block]
        return int(row[stop] - row[first + 1]) + 1 + escape_counts(first - start, self._arch)

    def cut(self, span: Span, tail: int) -> tuple[Span, Span] | None:
        """Cut off at most ``tail`` beats, but not all, at the end; None if the last vector has more."""
        if tail < 1:
            return None
        row = self._beats_before[span.block]
        at = int(np.searchsorted(row, row[span.stop] - tail))
        at = int(self._next_vector[span.block, at])
        if at >= span.stop:
            return None
        return self._split(span, at)

    def halve(self, span: Span) -> tuple[Span, Span]:
        """Cut ``span`` in two for two passes: by beats, else by positions.

        It has several: what stands at one fits in the smallest memories.
        """
        return self.cut(span, span.beats // 2) or self._split(span, (span.start + span.stop) // 2)

    def _split(self, span: Span, at: int) -> tuple[Span, Span]:
        return self.span(span.block, span.start, at), self.span(span.block, at, span.stop)


class KeptGroups:
    """The groups that a layer keeps, and spans of its chunks, which many architectures share.

    Parameters
    ----------
    groups : ndarray of bool, shape (blocks, positions, B / L)
        In grouped order; positions as in ``spec.record``.
    """

    def __init__(self, groups: NDArray[np.bool_]) -> None:
        self.groups = groups
        self._chunks: dict[tuple[int, int, int], ChunkSpans] = {}

    def chunk(self, start: int, stop: int, arch: ArchConfig) -> ChunkSpans:
        """Return the spans of positions ``start`` to ``stop`` - 1."""
        key = (start, stop, arch.advance_width)
        if key not in self._chunks:
            self._chunks[key] = ChunkSpans(self.groups[:, start:stop], arch)
        return self._chunks[key]
