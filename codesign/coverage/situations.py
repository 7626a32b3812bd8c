"""Which situations a job puts the accelerator into: found from its packed layer and activations alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codesign.coverage.axes import (
    Answer,
    Content,
    Dead,
    Edge,
    Gap,
    Groups,
    Last,
    Length,
    PassPlace,
    Pause,
    Place,
    Split,
    Tile,
    Way,
)
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.schedule import BlockPart
from sw.outputs import OutputParameters
from sw.unpack import ClusterStream, PackedLayer

__all__ = ["PART_AXES", "VECTOR_AXES", "Situations", "situations"]

Ints = NDArray[np.int64]

VECTOR_AXES: Final = (Way, Length, Groups, Place, Gap, Dead, Tile, Edge, Split, Pause)
"""Columns of the table of vectors."""
PART_AXES: Final = (Way, Content, Split, Place, Last, Edge, Tile, PassPlace, Answer, Pause)
"""Columns of the table of parts; ``Place`` is that of the part among those of its cluster and pass."""


@dataclass(frozen=True, eq=False)
class Situations:
    """What happens in a job.

    Parameters
    ----------
    vectors : ndarray of int64, shape (n, len(VECTOR_AXES))
        Every vector in every tile.
    parts : ndarray of int64, shape (n, len(PART_AXES))
        Every part of a block in every tile.
    """

    vectors: Ints
    parts: Ints


def situations(
    layer: PackedLayer, activations: NDArray[Any], arch: ArchConfig, stall_i: float, stall_o: float
) -> Situations:
    """Return what happens when ``layer`` is multiplied with ``activations`` (K x N).

    Parameters
    ----------
    layer : PackedLayer
        Packed for ``arch``.
    activations : ndarray of int, shape (K, N)
    arch : ArchConfig
    stall_i, stall_o : float
        Chance that the sender and the receiver pause in a cycle.
    """
    job = _Job(layer, arch, _zero_inputs(layer, activations, arch), activations.shape[1])
    found = list(_streams(job, Pause(bool(stall_i) + 2 * bool(stall_o))))
    return Situations(
        np.concatenate([vectors for vectors, _ in found]), np.concatenate([parts for _, parts in found])
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """A layer, and for each tile (rows) and input in stream order (columns) whether all its tokens are 0."""

    layer: PackedLayer
    arch: ArchConfig
    zero: NDArray[np.bool_]
    tokens: int

    @property
    def padded(self) -> Ints:
        """``Tile`` of every tile."""
        tiles = np.arange(len(self.zero))
        return np.where((tiles + 1) * self.arch.tokens > self.tokens, Tile.PADDED, Tile.FULL)


def _zero_inputs(layer: PackedLayer, activations: NDArray[Any], arch: ArchConfig) -> NDArray[np.bool_]:
    if layer.direction is Direction.HORIZONTAL:
        activations = activations[layer.order]
    tokens = activations.shape[1]
    tiles = -(-tokens // arch.tokens)
    # Inputs beyond K are sent as zeros.
    inputs = -(-layer.cols // arch.segment) * arch.segment
    padded = np.zeros((inputs, tiles * arch.tokens), np.bool_)
    padded[: layer.cols, :tokens] = activations != 0
    found: NDArray[np.bool_] = np.logical_or.reduce(padded.reshape(inputs, tiles, arch.tokens), axis=2)
    return ~found.T


def _streams(job: _Job, pause: Pause) -> Iterator[tuple[Ints, Ints]]:
    """Vectors and parts of every cluster in every pass."""
    before: int | None = None
    answer = _answer(job.layer.outputs)
    for one in job.layer.passes:
        if len(job.layer.passes) == 1:
            place = PassPlace.ONLY
        elif before is None:
            place = PassPlace.FIRST
        else:
            place = PassPlace.LATER if before == one.chunk else PassPlace.NEXT_CHUNK
        before = one.chunk
        base = one.chunk * job.layer.schedule.chunk_inputs
        for stream in one.clusters:
            dead, kept = _dead_groups(job, stream, base)
            yield (
                _vectors(job, stream, base, dead, kept, pause),
                _parts(job, stream, dead < kept, place, answer, pause),
            )


def _dead_groups(job: _Job, stream: ClusterStream, base: int) -> tuple[Ints, Ints]:
    """Groups of every vector that meet only zeros in each tile (tiles x vectors), and those that it keeps."""
    arch, bitmap = job.arch, stream.bitmap[stream.bitmap > 0]
    position = base + stream.position[stream.bitmap > 0]
    groups = bitmap[:, None] >> np.arange(arch.groups) & 1
    if job.layer.direction is Direction.VERTICAL:
        silent = np.repeat(job.zero[:, position][:, :, None], arch.groups, axis=2)
    else:
        lanes = job.zero.reshape(len(job.zero), -1, arch.groups, arch.lanes)
        by_group: NDArray[np.bool_] = np.logical_and.reduce(lanes, axis=3)
        silent = by_group[:, position // arch.segment]
    return (silent & (groups > 0)).sum(axis=2), groups.sum(axis=1)


def _vectors(job: _Job, stream: ClusterStream, base: int, dead: Ints, kept: Ints, pause: Pause) -> Ints:
    """One row for every vector in every tile."""
    layer, arch = job.layer, job.arch
    chosen = np.flatnonzero(stream.bitmap)
    bitmap, number = stream.bitmap[chosen], (np.cumsum(stream.end) - stream.end)[chosen]
    parts = stream.parts
    block = np.array([one.block for one in parts], np.int64)[number]
    horizontal = layer.direction is Direction.HORIZONTAL
    if horizontal:
        over = ((base + stream.position[chosen]) // arch.segment + 1) * arch.segment > layer.cols
    else:
        over = (block + 1) * arch.segment > layer.rows
    split = np.array([_split(one) for one in parts], np.int64)[number]
    fixed = (
        np.full(len(chosen), Way.HORIZONTAL if horizontal else Way.VERTICAL),
        np.where(kept == 1, Length.ONE, np.where(kept == arch.groups, Length.ALL, Length.SOME)),
        (bitmap & 1) + 2 * (bitmap >> (arch.groups - 1)),
        _places(number),
        _gaps(stream)[chosen],
    )
    tiles = len(job.zero)
    deads = np.where(dead == 0, Dead.NONE, np.where(dead == kept, Dead.ALL, Dead.SOME))
    rest = (np.where(over, Edge.OVER, Edge.INSIDE), split, np.full(len(chosen), pause))
    columns = [
        *(np.tile(one, tiles) for one in fixed),
        deads.reshape(-1),
        np.repeat(job.padded, len(chosen)),
        *(np.tile(one, tiles) for one in rest),
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def _parts(
    job: _Job,
    stream: ClusterStream,
    live: NDArray[np.bool_],
    place: PassPlace,
    answer: Answer,
    pause: Pause,
) -> Ints:
    """One row for every part in every tile; ``live`` says of tiles x vectors what is multiplied."""
    layer, arch, count = job.layer, job.arch, len(stream.parts)
    number = (np.cumsum(stream.end) - stream.end)[stream.bitmap > 0]
    way = Way.HORIZONTAL if layer.direction is Direction.HORIZONTAL else Way.VERTICAL
    rows = []
    for index, part in enumerate(stream.parts):
        mine = live[:, number == index]
        left = mine.sum(axis=1)
        content = np.where(left > 1, Content.SEVERAL, np.where(left == 1, Content.ONE, Content.DROPPED))
        if mine.shape[1] == 0:
            content[:] = Content.EMPTY
        over = (part.block + 1) * arch.segment > layer.rows
        stands = Place.ONLY if count == 1 else Place.FIRST if index == 0 else Place.INNER
        stands = Place.LAST if 0 < index == count - 1 else stands
        edge, final = Edge.OVER if over else Edge.INSIDE, Last(index == count - 1)
        rows += [
            (way, its, _split(part), stands, final, edge, tile, place, answer, pause)
            for its, tile in zip(content, job.padded, strict=True)
        ]
    return np.array(rows, np.int64).reshape(-1, len(PART_AXES))


def _split(part: BlockPart) -> Split:
    if part.parts == 1:
        return Split.WHOLE
    return Split.FIRST if part.start == 0 else Split.LATER


def _answer(outputs: OutputParameters | None) -> Answer:
    if outputs is None:
        return Answer.PSUMS
    if outputs.table is None:
        return Answer.RECTIFIED if outputs.relu else Answer.CODES
    return Answer.BOTH if outputs.relu else Answer.LOOKED_UP


def _places(number: Ints) -> Ints:
    """``Place`` of vectors that belong to parts of these numbers, in order."""
    first = np.append(True, number[1:] != number[:-1])[: len(number)]
    last = np.append(number[1:] != number[:-1], True)[-len(number) or len(number) + 1 :]
    return np.where(first & last, Place.ONLY, np.where(first, Place.FIRST, np.where(last, Place.LAST, 1)))


def _gaps(stream: ClusterStream) -> Ints:
    """``Gap`` before every record, if it is a vector's."""
    escape = (stream.bitmap == 0) & (stream.end == 0)
    once = np.append(False, escape[:-1])[: len(escape)]
    twice = np.append([False, False], escape[:-2])[: len(escape)] & once
    near = np.where(stream.advance > 0, Gap.ADVANCE, Gap.NONE)
    return np.where(twice, Gap.ESCAPES, np.where(once, Gap.ESCAPE, near))
