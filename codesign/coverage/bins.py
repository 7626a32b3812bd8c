"""The situations that the regression must have been in: crosses of axes, without what cannot be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import Final

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
from codesign.coverage.situations import PART_AXES, VECTOR_AXES, Situations

__all__ = ["CROSSES", "Bin", "Cross", "Impossible", "count_bins"]

Axis = type[IntEnum]


@dataclass(frozen=True)
class Impossible:
    """Bins that no job can reach.

    Parameters
    ----------
    where : sequence of IntEnum
        A bin is meant if it has one of the named values of each axis named.
    reason : str
    """

    where: tuple[IntEnum, ...]
    reason: str

    def covers(self, values: Sequence[IntEnum]) -> bool:
        """Whether the bin of ``values`` is meant."""
        wanted: dict[Axis, set[IntEnum]] = {}
        for value in self.where:
            wanted.setdefault(type(value), set()).add(value)
        return all(
            any(type(one) is axis and one in these for one in values) for axis, these in wanted.items()
        )


@dataclass(frozen=True)
class Bin:
    """One combination of values; ``count`` says how often jobs were in it."""

    cross: str
    values: tuple[IntEnum, ...]
    count: int

    @property
    def name(self) -> str:
        """Its values in words."""
        return ", ".join(value.name.lower().replace("_", " ") for value in self.values)


@dataclass(frozen=True)
class Cross:
    """All combinations of the values of some axes.

    Parameters
    ----------
    name : str
    of : callable
        Table of situations, and the axes of its columns.
    axes : tuple of enumerations
    impossible : tuple of Impossible
    """

    name: str
    of: Callable[[Situations], NDArray[np.int64]]
    columns: tuple[Axis, ...]
    axes: tuple[Axis, ...]
    impossible: tuple[Impossible, ...] = ()

    def counts(self, seen: Situations) -> NDArray[np.int64]:
        """Return how often every combination was seen, one dimension per axis."""
        shape = tuple(len(axis) for axis in self.axes)
        chosen = self.of(seen)[:, [self.columns.index(axis) for axis in self.axes]]
        places = np.ravel_multi_index(tuple(chosen.T), shape)
        return np.bincount(places, minlength=int(np.prod(shape))).reshape(shape)

    def bins(self, counts: NDArray[np.int64]) -> Iterator[Bin]:
        """Yield the bins that can be, with their counts."""
        for values in product(*self.axes):
            count = int(counts[tuple(int(value) for value in values)])
            if count or not any(rule.covers(values) for rule in self.impossible):
                yield Bin(self.name, values, count)


def _vectors(seen: Situations) -> NDArray[np.int64]:
    return seen.vectors


def _parts(seen: Situations) -> NDArray[np.int64]:
    return seen.parts


def _of_vectors(name: str, *axes: Axis, impossible: tuple[Impossible, ...] = ()) -> Cross:
    return Cross(name, _vectors, VECTOR_AXES, axes, impossible)


def _of_parts(name: str, *axes: Axis, impossible: tuple[Impossible, ...] = ()) -> Cross:
    return Cross(name, _parts, PART_AXES, axes, impossible)


_ONE_INPUT: Final = Impossible(
    (Way.VERTICAL, Dead.SOME), "all groups of a vertical vector meet the same input"
)
_NOTHING_LEFT: Final = Impossible((Length.ONE, Dead.SOME), "of one group none is left over")
_SPANS: Final = (
    Impossible(
        (Length.ALL, Groups.INSIDE, Groups.FROM_FIRST, Groups.TO_LAST),
        "all groups are the first and the last",
    ),
)

_CUT: Final = Impossible(
    (Content.EMPTY, Split.FIRST, Split.LATER), "the schedule cuts a block where both pieces keep something"
)
_WHOLE_CODES: Final = Impossible(
    (PassPlace.NEXT_CHUNK, Answer.CODES, Answer.RECTIFIED, Answer.LOOKED_UP, Answer.BOTH),
    "psums of chunks are added by the host, so such a layer is not requantized",
)

CROSSES: Final = (
    _of_vectors("direction x length x zeros", Way, Length, Dead, impossible=(_ONE_INPUT, _NOTHING_LEFT)),
    _of_vectors("direction x length x groups of the segment", Way, Length, Groups, impossible=_SPANS),
    _of_vectors("direction x length x edge x tile", Way, Length, Edge, Tile),
    _of_vectors("direction x length x pauses", Way, Length, Pause),
    _of_vectors("direction x place in the part x gap", Way, Place, Gap),
    _of_vectors("direction x place in the part x zeros", Way, Place, Dead, impossible=(_ONE_INPUT,)),
    _of_vectors("direction x gap x zeros", Way, Gap, Dead, impossible=(_ONE_INPUT,)),
    _of_vectors("direction x gap x split", Way, Gap, Split),
    _of_vectors("direction x zeros x edge x tile", Way, Dead, Edge, Tile, impossible=(_ONE_INPUT,)),
    _of_vectors("direction x zeros x split", Way, Dead, Split, impossible=(_ONE_INPUT,)),
    _of_parts("direction x content x split", Way, Content, Split, impossible=(_CUT,)),
    _of_parts("direction x content x place in the pass", Way, Content, Place),
    _of_parts("direction x split x last in the pass x tile", Way, Split, Last, Tile),
    _of_parts("direction x edge x tile x last in the pass", Way, Edge, Tile, Last),
    _of_parts("direction x pass x split", Way, PassPlace, Split),
    _of_parts("split x last in the pass x pauses", Split, Last, Pause),
    _of_parts("content x tile x pauses", Content, Tile, Pause),
    _of_parts("answer x split x edge", Answer, Split, Edge),
    _of_parts("direction x answer x tile", Way, Answer, Tile),
    _of_parts("answer x pauses", Answer, Pause),
    _of_parts("answer x pass", Answer, PassPlace, impossible=(_WHOLE_CODES,)),
)
"""All pairs of axes that meet in the hardware, and the triples that decide something together."""


def count_bins(counts: Mapping[str, NDArray[np.int64]]) -> list[Bin]:
    """Return all bins, from the counts of every cross by name."""
    return [one for cross in CROSSES for one in cross.bins(counts[cross.name])]
