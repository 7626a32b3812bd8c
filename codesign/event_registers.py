"""What the event kernel keeps from event to event: columns of its arrays of integers.

Moments of a cluster and those of the collector are rows of one array, since every further array that a
compiled function takes costs as much as its work.
"""

from typing import Final

__all__ = [
    "ALONE_SENT",
    "ALONE_TAKEN",
    "BEATS",
    "BLOCK",
    "BLOCKS_HELD",
    "BLOCK_COLUMNS",
    "CHOOSE",
    "CHOSEN",
    "CLOSED",
    "COUNT",
    "DONE",
    "DRAIN",
    "DRAINED",
    "ENDED",
    "ESCAPES",
    "FAR",
    "FETCHED",
    "FIRST",
    "FOUND",
    "FREE",
    "HIGH",
    "ISSUED",
    "JOB",
    "JOB_ROWS",
    "KNOWN",
    "LAST_BEAT",
    "LAST_SENT",
    "LEFT",
    "LOW",
    "NEXT_PART",
    "OF",
    "OFFER",
    "PASS_COLUMNS",
    "POSITION",
    "RING",
    "SENT",
    "SERVED",
    "START",
    "STOPPED",
    "TAKEN",
    "TOTAL",
    "VECTOR_COLUMNS",
    "WORDS",
]

FAR: Final = 1 << 60
"""A moment that never comes; negative, one that was over before all others."""

JOB, BLOCK, NEXT_PART, FREE, FOUND, SENT, LAST_SENT, LAST_BEAT, CLOSED, DRAINED, SERVED, OFFER = range(12)
"""Columns of a cluster: job and block that come next, and its next part; the cycle from which the
decompressor may take a record or look for a job; when it found the one under way, or -1; vectors sent, and
when the last one was; when the last beat was done; blocks closed, drained as far as known, and served; when
the collector may choose its oldest block, or -1 where that is to be found anew."""
RING: Final = 12
"""Then its latest blocks, in turn."""
STOPPED, DRAIN, LEFT, OF = range(4)
"""Columns of a block: its last beat, the start of its drain, when its half of the output buffer is free
again, and its job."""
BLOCK_COLUMNS: Final = 4
BLOCKS_HELD: Final = 4
"""Blocks of a cluster that are remembered: two psum banks and two halves of the output buffer."""
TAKEN: Final = RING + BLOCKS_HELD * BLOCK_COLUMNS
"""Then when the issuer took each of the latest vectors, as many as the queue holds, in turn."""
CHOOSE, CHOSEN, FETCHED = range(1, 4)
"""Columns of the last row, the collector, behind its job: cycle from which it chooses, last cluster, blocks
of the job fetched."""

ISSUED, DONE, ENDED = range(3)
"""Rows of the jobs: commit, last beat of all clusters, and the end of its collection."""
JOB_ROWS: Final = 3

COUNT, FIRST, TOTAL, WORDS = range(4)
"""Of a cluster in a pass: its parts, and which is the first; parts of all clusters; words that bring it its
weights."""
PASS_COLUMNS: Final = 4

LOW, HIGH, START = range(3)
"""Columns of a part: its vectors are ``LOW`` to ``HIGH`` - 1, none of an empty block; where it starts."""
KNOWN: Final = 3
"""Then how it started and how it ended the last time."""

POSITION, ESCAPES, BEATS, ALONE_TAKEN, ALONE_SENT = range(5)
"""Columns of a vector: its position, escape records between it and the vector before, its beats; when it
is taken and sent in its block if nothing holds that up."""
VECTOR_COLUMNS: Final = 5
