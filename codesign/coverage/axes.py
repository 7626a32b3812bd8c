"""What a vector, and a part of a block, can be like: one axis for each question."""

from enum import IntEnum

__all__ = [
    "Answer",
    "Content",
    "Dead",
    "Edge",
    "Gap",
    "Groups",
    "Last",
    "Length",
    "PassPlace",
    "Pause",
    "Place",
    "Split",
    "Tile",
    "Way",
]


class Way(IntEnum):
    """Direction of the layer."""

    VERTICAL = 0
    HORIZONTAL = 1


class Length(IntEnum):
    """Groups that a vector keeps of its segment."""

    ONE = 0
    SOME = 1
    ALL = 2
    """More than one."""


class Groups(IntEnum):
    """Where in its segment a vector begins and ends."""

    INSIDE = 0
    FROM_FIRST = 1
    TO_LAST = 2
    WHOLE_SPAN = 3
    """The first group and the last one are kept."""


class Place(IntEnum):
    """Where a vector stands among those of its part of a block."""

    FIRST = 0
    INNER = 1
    LAST = 2
    ONLY = 3


class Gap(IntEnum):
    """What stands between a vector and the one before, or the start of its part."""

    NONE = 0
    ADVANCE = 1
    ESCAPE = 2
    ESCAPES = 3


class Dead(IntEnum):
    """Groups of a vector that meet only zeros in a tile."""

    NONE = 0
    SOME = 1
    ALL = 2


class Tile(IntEnum):
    """Whether each of the T tokens is one of the job's."""

    FULL = 0
    PADDED = 1


class Edge(IntEnum):
    """Whether a segment lies inside the matrix."""

    INSIDE = 0
    OVER = 1
    """It reaches beyond the last output (vertical) or input (horizontal)."""


class Split(IntEnum):
    """Whether a block is one part or several along K."""

    WHOLE = 0
    FIRST = 1
    """The part that starts at position 0."""
    LATER = 2


class Pause(IntEnum):
    """Which sides of the core pause."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2
    BOTH = 3


class Content(IntEnum):
    """Vectors of a part that are multiplied in a tile."""

    EMPTY = 0
    """It has no vector at all."""
    DROPPED = 1
    """Every vector meets only zeros."""
    ONE = 2
    SEVERAL = 3


class Last(IntEnum):
    """Whether a part is the last of its cluster in the pass."""

    NO = 0
    YES = 1


class PassPlace(IntEnum):
    """Where a pass stands in its layer."""

    ONLY = 0
    FIRST = 1
    LATER = 2
    """It has the same chunk of inputs as the one before."""
    NEXT_CHUNK = 3


class Answer(IntEnum):
    """What a layer answers with."""

    PSUMS = 0
    CODES = 1
    RECTIFIED = 2
    """Codes, by ReLU."""
    LOOKED_UP = 3
    """Codes, by a table."""
    BOTH = 4
