"""Blocks of a cluster, one after the other: when each is multiplied, drained, and offered to the collector.

A block that starts as it did in the tile before ends as it did.
"""

from typing import Any, Final

import numpy as np

from codesign.compiler import compiled, inlined
from codesign.event_registers import (
    BLOCK,
    BLOCK_COLUMNS,
    BLOCKS_HELD,
    CLOSED,
    COUNT,
    DONE,
    DRAIN,
    DRAINED,
    FAR,
    FIRST,
    FOUND,
    FREE,
    HIGH,
    ISSUED,
    JOB,
    KNOWN,
    LAST_BEAT,
    LAST_SENT,
    LEFT,
    LOW,
    NEXT_PART,
    OF,
    RING,
    SENT,
    SERVED,
    START,
    STOPPED,
    TAKEN,
)
from codesign.vector_kernel import TO_ISSUER, last_steal, multiply

__all__ = ["advance_cluster", "note", "offer_cycle", "part_rows"]

# Cycles from one register to another, as `cycle_kernel` steps them: a last beat to the drain; a block
# announced to the collector; a job's commit to cluster 0; a job found to the descriptor of its first block,
# or a block's end to that of the next.
_TO_DRAIN, _TO_COLLECTOR, _TO_CLUSTER, _TO_BLOCK = 3, 2, 3, 2
_DRAINS_HELD: Final = 2


@compiled
def part_rows(parts: Any, depth: int) -> Any:
    """Return the parts of a ``LayerParts`` and room for how they start and end, for a queue of ``depth``."""
    rows = np.zeros((len(parts.low), KNOWN + (depth + 1) + (depth + 3)), np.int64)
    for number in range(len(rows)):
        rows[number, LOW], rows[number, HIGH] = parts.low[number], parts.high[number]
        rows[number, START] = parts.start[number]
    return rows


@inlined
def _ring(number: int) -> int:
    """First column of a cluster's block."""
    return RING + BLOCK_COLUMNS * (number & BLOCKS_HELD - 1)


@inlined
def _start_drain(n: int, s: Any, t: Any) -> None:
    """When the drain of the next closed block starts, given when the one before the last left the buffer."""
    number = s[n, DRAINED]
    start = s[n, _ring(number) + STOPPED] + _TO_DRAIN
    if number >= 1:
        start = max(start, s[n, _ring(number - 1) + DRAIN] + t.rows * t.row_cycles + 1)
    if number >= _DRAINS_HELD:
        start = max(start, s[n, _ring(number - _DRAINS_HELD) + LEFT] + 1)
    s[n, _ring(number) + DRAIN] = start
    s[n, DRAINED] = number + 1


@inlined
def offer_cycle(n: int, current: int, s: Any, t: Any) -> int:
    """When the collector may choose the oldest block of cluster ``n``; never if it has none of the job."""
    served = s[n, SERVED]
    if served == s[n, CLOSED] or s[n, _ring(served) + OF] != current:
        return FAR
    if s[n, DRAINED] == served:
        _start_drain(n, s, t)
    return int(s[n, _ring(served) + DRAIN] + t.rows * t.row_cycles + t.drain_tail + _TO_COLLECTOR)


@inlined
def note(known: Any, row: int, column: int, moment: int) -> int:
    """Keep a moment; return 0 if it is as it was."""
    differs = known[row, column] ^ moment
    known[row, column] = moment
    return int(differs)


@inlined
def _starts_alike(n: int, part: int, s: Any, rows: Any, t: Any) -> bool:
    """Whether a part starts as it did the last time, in cycles from the first in which a record may be sent.

    Notes how it does. What is over by then, or by the cycle of the vector that asks for it, is alike.
    """
    now, closed, sent, depth = s[n, FREE], s[n, CLOSED], s[n, SENT], s.shape[1] - TAKEN
    drained = s[n, _ring(closed - 1) + DRAIN] + last_steal(t) if closed >= 1 else 0
    begin = s[n, LAST_BEAT]
    if closed >= 2:
        begin = max(begin, s[n, _ring(closed - 2) + DRAIN] + last_steal(t))
    differs = note(rows, part, KNOWN, max(drained - now, TO_ISSUER))
    differs |= note(rows, part, KNOWN + depth, max(begin - now, TO_ISSUER))
    for number in range(1, depth):
        moment = max(s[n, TAKEN + (sent + number & depth - 1)] + 2 - now, number - 1)
        differs |= note(rows, part, KNOWN + number, moment)
    return bool(differs == 0)


@inlined
def _multiply_part(n: int, s: Any, t: Any, rows: Any, vectors: Any, advance: int) -> None:
    """Vectors of a cluster's next part, or what is known of them."""
    part, now, sent, depth = s[n, NEXT_PART], s[n, FREE], s[n, SENT], s.shape[1] - TAKEN
    low, high, ends = rows[part, LOW], rows[part, HIGH], KNOWN + depth + 1
    # Only a part that fills the queue says for itself which credits there are behind it.
    lasting = high - low >= depth and sent >= depth and s[n, LAST_SENT] < now - 1
    alike = lasting and _starts_alike(n, part, s, rows, t)
    if alike:
        s[n, SENT] = sent + high - low
        s[n, FREE] = now + rows[part, ends]
        s[n, LAST_SENT] = now + rows[part, ends + 1]
        s[n, LAST_BEAT] = now + rows[part, ends + 2]
        for number in range(depth):
            s[n, TAKEN + (s[n, SENT] + number & depth - 1)] = now + rows[part, ends + 3 + number]
    else:
        multiply(n, s, t, vectors, advance, low, high, rows[part, START])
        if lasting:
            rows[part, ends] = s[n, FREE] - now
            rows[part, ends + 1] = s[n, LAST_SENT] - now
            rows[part, ends + 2] = s[n, LAST_BEAT] - now
            for number in range(depth):
                moment = s[n, TAKEN + (s[n, SENT] + number & depth - 1)]
                rows[part, ends + 3 + number] = moment - now


@inlined
def advance_cluster(
    n: int, s: Any, t: Any, jobs: Any, passes: Any, tiles: int, rows: Any, vectors: Any, advance: int
) -> None:
    """Next block of cluster ``n``, or a job without any."""
    if s[n, DRAINED] < s[n, CLOSED]:
        _start_drain(n, s, t)
    job = s[n, JOB]
    number = job // tiles
    count = passes[number, n, COUNT]
    if s[n, FOUND] < 0:
        found = max(s[n, FREE], jobs[ISSUED, job] + _TO_CLUSTER + n)
        s[n, FOUND] = found
        s[n, NEXT_PART] = passes[number, n, FIRST]
        s[n, FREE] = found + (max(_TO_BLOCK + 2, t.start) if count > 0 else 1)
    if count == 0:
        # One vector without beats tells the issuer that the job is over.
        multiply(n, s, t, vectors, advance, 0, 0, 0)
    else:
        _multiply_part(n, s, t, rows, vectors, advance)
        s[n, NEXT_PART] += 1
        ring = _ring(s[n, CLOSED])
        s[n, ring + STOPPED], s[n, ring + OF] = s[n, LAST_BEAT], job
        s[n, CLOSED] += 1
        s[n, BLOCK] += 1
        if s[n, BLOCK] < count:
            s[n, FREE] += _TO_BLOCK
            return
    s[n, BLOCK], s[n, FOUND], s[n, JOB] = 0, -1, job + 1
    jobs[DONE, job] = max(jobs[DONE, job], s[n, LAST_BEAT])
