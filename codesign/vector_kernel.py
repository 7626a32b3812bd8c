"""Vectors of a block, one after the other: when each is sent, taken and done.

The decompressor sends a vector once it has credit, which the queue's depth limits; the beat issuer takes it
once the one before is done, and makes beat after beat, but in cycles in which a drain takes the psums' read
port. Each moment is the latest of what it waits for, plus a latency. So whatever held a block up at its start
is soon forgotten: once as many vectors as the queue holds have gone as they would have if the block were
alone, only later, all others do.
"""

from typing import Any, Final

import numpy as np

from codesign.compiler import called, compiled, inlined
from codesign.event_registers import (
    ALONE_SENT,
    ALONE_TAKEN,
    BEATS,
    BLOCK_COLUMNS,
    BLOCKS_HELD,
    CLOSED,
    DRAIN,
    ESCAPES,
    FAR,
    FREE,
    LAST_BEAT,
    LAST_SENT,
    POSITION,
    RING,
    SENT,
    TAKEN,
)

__all__ = ["TO_STEAL", "multiply", "run_alone"]

TO_STEAL: Final = 2
"""Cycles from the start of a drain to its first steal."""
TO_ISSUER: Final = 7
"""Cycles from a vector sent to the issuer."""


@inlined
def last_steal(t: Any) -> int:
    """Cycles from the start of a drain to behind its last steal."""
    return int((t.rows - 1) * t.row_cycles + TO_STEAL + 1)


@called
def _beats_done(step: int, beats: int, drain: int, t: Any) -> int:
    """Cycle of the last of ``beats`` after ``step``, one in every cycle but those in which the drain that
    starts at ``drain`` takes the psums' read port, one of every ``row_cycles`` for each row."""
    first = drain + TO_STEAL
    if step + beats < first:
        return step + beats
    if step < first - 1:
        step, beats = first - 1, beats - (first - 1 - step)
    since = step - first
    left = t.rows - (since + t.row_cycles) // t.row_cycles
    if beats == 0 or left <= 0:
        return step + beats
    # What is left of a steal's period comes first, then whole periods, each a steal and its free cycles.
    rest = -1 - since if since < 0 else t.row_cycles - 1 - since % t.row_cycles
    if beats <= rest:
        return step + beats
    step, beats = step + rest, beats - rest
    periods = left if t.row_cycles == 1 else min((beats - 1) // (t.row_cycles - 1), left)
    step, beats = step + periods * t.row_cycles, beats - periods * (t.row_cycles - 1)
    return step + beats + (1 if periods < left else 0)


@inlined
def _send_cycle(n: int, free: int, sent: int, last_sent: int, s: Any) -> int:
    """First cycle from ``free`` on in which the decompressor of cluster ``n`` has credit for a record."""
    # The depth is a power of two.
    last = s.shape[1] - TAKEN - 1
    # A vector sent in the cycle before is not counted yet.
    follows = last_sent == free - 1
    late = max(free + (1 if follows else 0), s[n, TAKEN + (sent + 1 & last)] + 2)
    # Without branches, which no processor would predict.
    early = s[n, TAKEN + (sent & last)] <= free - 2
    return free if follows and early else late


@compiled
def multiply(n: int, s: Any, t: Any, vectors: Any, advance: int, low: int, high: int, start: int) -> None:
    """Vectors ``low`` to ``high`` - 1 of cluster ``n``: a part of a block that begins at position ``start``.

    If there are none, it has one vector of a single beat. The first waits until its psum bank is drained.
    """
    last = s.shape[1] - TAKEN - 1
    closed = s[n, CLOSED]
    drain, held = -FAR, -FAR
    if closed >= 1:
        drain = s[n, RING + BLOCK_COLUMNS * (closed - 1 & BLOCKS_HELD - 1) + DRAIN]
    if closed >= 2:
        held = s[n, RING + BLOCK_COLUMNS * (closed - 2 & BLOCKS_HELD - 1) + DRAIN] + last_steal(t)
    free, sent, last_sent, done = s[n, FREE], s[n, SENT], s[n, LAST_SENT], max(s[n, LAST_BEAT], held)
    drained = drain + last_steal(t)
    escapes, alike, late = 0, 0, 0
    if low < high:
        escapes = -(-(vectors[low, POSITION] - start >> advance) >> advance)
    vector = low
    while True:
        for _ in range(escapes):
            free = _send_cycle(n, free, sent, last_sent, s) + 1
        last_sent = _send_cycle(n, free, sent, last_sent, s)
        free = last_sent + 1
        taken = max(last_sent + TO_ISSUER, done)
        beats = vectors[vector, BEATS] if low < high else 1
        if taken < drained:
            taken = _beats_done(taken - 1, 1, drain, t)
            done = _beats_done(taken, beats, drain, t)
        else:
            done = taken + beats
        s[n, TAKEN + (sent & last)] = taken
        sent += 1
        vector += 1
        if vector >= high:
            break
        escapes = vectors[vector, ESCAPES]
        if taken >= drained:
            later = taken - vectors[vector - 1, ALONE_TAKEN]
            alike = alike + 1 if later == late else 1
            late = later
            sent_alike = last_sent - vectors[vector - 1, ALONE_SENT] == late
            if alike > last and sent_alike and high - vector > last:
                sent += high - vector
                last_sent = vectors[high - 1, ALONE_SENT] + late
                free = last_sent + 1
                done = vectors[high - 1, ALONE_TAKEN] + vectors[high - 1, BEATS] + late
                for number in range(last + 1):
                    s[n, TAKEN + (sent - 1 - number & last)] = vectors[high - 1 - number, ALONE_TAKEN] + late
                break
    s[n, FREE], s[n, SENT], s[n, LAST_SENT], s[n, LAST_BEAT] = free, sent, last_sent, done


@compiled
def run_alone(t: Any, vectors: Any, block: Any, advance: int, depth: int) -> None:
    """Fill in when each vector is sent and taken if nothing but its block is there.

    Parameters
    ----------
    t : record of ``TIMING``
    vectors : ndarray of int64, shape (vectors, VECTOR_COLUMNS)
    block : ndarray of int64, shape (vectors,)
        Ascending.
    advance : int
        Bits of a record's ``advance``.
    depth : int
        Vectors that the queue holds.
    """
    s = np.empty((1, TAKEN + depth), np.int64)
    start = 0
    for vector in range(len(vectors)):
        if vector == 0 or block[vector] != block[vector - 1]:
            s[0] = -FAR
            s[0, FREE] = s[0, SENT] = s[0, CLOSED] = start = 0
        multiply(0, s, t, vectors, advance, vector, vector + 1, start)
        start = vectors[vector, POSITION] + 1
        vectors[vector, ALONE_TAKEN] = s[0, TAKEN + (s[0, SENT] - 1 & depth - 1)]
        vectors[vector, ALONE_SENT] = s[0, LAST_SENT]
