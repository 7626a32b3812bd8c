"""The same cycles as ``cycle_kernel``, from one event to the next instead of cycle by cycle.

What happens to a vector (``vector_kernel``) and to a block (``cluster_kernel``) follows from a few moments.
No activation is taken as 0: vectors leave the zero-skip queue in order. As soon as a tile leaves all as the
one before did, no other is looked at.

Clusters meet in the collector alone. It serves blocks in the order of time, so a cluster is advanced block by
block, and never past a moment that a block not yet served decides about.
"""

from typing import Any, Final

import numpy as np

from codesign.cluster_kernel import advance_cluster, note, offer_cycle, part_rows
from codesign.compiler import called, compiled, inlined
from codesign.event_registers import (
    BLOCK,
    BLOCK_COLUMNS,
    BLOCKS_HELD,
    CHOOSE,
    CHOSEN,
    CLOSED,
    COUNT,
    DONE,
    DRAINED,
    ENDED,
    FAR,
    FETCHED,
    FIRST,
    FOUND,
    FREE,
    ISSUED,
    JOB,
    JOB_ROWS,
    LAST_BEAT,
    LAST_SENT,
    LEFT,
    NEXT_PART,
    OF,
    OFFER,
    PASS_COLUMNS,
    RING,
    SENT,
    SERVED,
    TAKEN,
    TOTAL,
    WORDS,
)

__all__ = ["run_events"]

# Cycles from one register to another, as `cycle_kernel` steps them: the last payload word to the commit; a
# commit to the next check, besides those of a header; a job done or collected to the check that knows.
_TO_COMMIT, _TO_CHECK, _DONE_KNOWN, _COLLECTED_KNOWN = 5, 2, 4, 3
_FIRST_CHECK: Final = 4
"""Cycles before the first check, besides those of a header."""
_JOBS_KNOWN: Final = 4
"""Jobs whose end the scheduler may still ask for."""
_JOBS_SEEN: Final = 2 + _JOBS_KNOWN
"""Tiles of a pass before two can be alike."""


@inlined
def _next(n: int, clusters: int) -> int:
    """Cluster behind ``n``; a division would take longer than all the rest of a choice."""
    return 0 if n + 1 == clusters else n + 1


@inlined
def _serve(s: Any, t: Any, jobs: Any, passes: Any, tiles: int, rows: Any, vectors: Any, advance: int) -> None:
    """Collector: choose the block that comes next, fetch it, and free its half of the buffer."""
    clusters = len(s) - 1
    current = s[-1, JOB]
    number = current // tiles
    soonest = FAR
    for n in range(clusters):
        if s[n, OFFER] < 0:
            # Its oldest block must be known before another's can be preferred.
            while s[n, SERVED] == s[n, CLOSED] and s[n, JOB] <= current:
                if s[n, JOB] == current and passes[number, n, COUNT] == 0:
                    break
                advance_cluster(n, s, t, jobs, passes, tiles, rows, vectors, advance)
            s[n, OFFER] = offer_cycle(n, current, s, t)
        soonest = min(soonest, s[n, OFFER])
    cycle = max(s[-1, CHOOSE], soonest)
    chosen = _next(s[-1, CHOSEN], clusters)
    while s[chosen, OFFER] > cycle:
        chosen = _next(chosen, clusters)
    trailer = cycle + t.block_items + 2
    served = s[chosen, SERVED]
    s[chosen, RING + BLOCK_COLUMNS * (served & BLOCKS_HELD - 1) + LEFT] = trailer + 1 + chosen
    s[chosen, SERVED], s[chosen, OFFER] = served + 1, -1
    s[-1, CHOSEN], s[-1, CHOOSE] = chosen, trailer + 1
    s[-1, FETCHED] += 1
    if s[-1, FETCHED] == passes[number, 0, TOTAL]:
        jobs[ENDED, current] = trailer + clusters + t.collect_tail
        # Clusters are asked for the next job a cycle later.
        s[-1, CHOOSE], s[-1, FETCHED], s[-1, JOB] = trailer + 2, 0, current + 1
        for n in range(clusters):
            s[n, OFFER] = -1


@called
def _finish(
    job: int, s: Any, t: Any, jobs: Any, passes: Any, tiles: int, rows: Any, vectors: Any, advance: int
) -> int:
    """Let every cluster do ``job``; return when the last has."""
    for n in range(len(s) - 1):
        while s[n, JOB] <= job:
            # A drain is known once the half that it fills is free.
            while s[n, DRAINED] < s[n, CLOSED] and s[n, DRAINED] >= s[n, SERVED] + 2:
                _serve(s, t, jobs, passes, tiles, rows, vectors, advance)
            advance_cluster(n, s, t, jobs, passes, tiles, rows, vectors, advance)
    return int(jobs[DONE, job])


@called
def _collect(
    job: int, s: Any, t: Any, jobs: Any, passes: Any, tiles: int, rows: Any, vectors: Any, advance: int
) -> int:
    """Let the collector fetch all of ``job``; return when it has."""
    while s[-1, JOB] <= job:
        _serve(s, t, jobs, passes, tiles, rows, vectors, advance)
    return int(jobs[ENDED, job])


@called
def _is_alike(seen: Any, s: Any, jobs: Any, job: int, commit: int) -> bool:
    """Whether all that decides about what comes is as noted; in cycles from ``commit`` and jobs from ``job``
    on. Notes it."""
    depth, differs = s.shape[1] - TAKEN, 0
    for n in range(len(s) - 1):
        for column in (FREE, LAST_SENT, LAST_BEAT):
            differs |= note(seen, n, column, s[n, column] - commit)
        differs |= note(seen, n, FOUND, s[n, FOUND] - commit if s[n, FOUND] >= 0 else FAR)
        differs |= note(seen, n, JOB, s[n, JOB] - job)
        for column in (BLOCK, NEXT_PART):
            differs |= note(seen, n, column, s[n, column])
        for column in (DRAINED, SERVED):
            differs |= note(seen, n, column, s[n, CLOSED] - s[n, column])
        # Rings count for what they hold once they are full, wherever they start.
        differs |= note(seen, n, SENT, min(s[n, SENT], depth))
        differs |= note(seen, n, CLOSED, min(s[n, CLOSED], BLOCKS_HELD))
        for number in range(BLOCKS_HELD):
            ring = BLOCK_COLUMNS * (s[n, CLOSED] + number & BLOCKS_HELD - 1)
            for column in range(BLOCK_COLUMNS):
                moment = s[n, RING + ring + column] - (job if column == OF else commit)
                differs |= note(seen, n, RING + BLOCK_COLUMNS * number + column, moment)
        for number in range(depth):
            moment = s[n, TAKEN + (s[n, SENT] + number & depth - 1)] - commit
            differs |= note(seen, n, TAKEN + number, moment)
    differs |= note(seen, -1, CHOOSE, s[-1, CHOOSE] - commit)
    differs |= note(seen, -1, JOB, s[-1, JOB] - job)
    for column in (CHOSEN, FETCHED):
        differs |= note(seen, -1, column, s[-1, column])
    for number in range(_JOBS_KNOWN):
        done, ended = jobs[DONE, max(job - 2 - number, 0)], jobs[ENDED, max(s[-1, JOB] - 1 - number, 0)]
        differs |= note(seen, -1, TAKEN - 1 - number, done - commit)
        differs |= note(seen, -1, TAKEN - 1 - _JOBS_KNOWN - number, ended - commit)
    return bool(differs == 0)


@called
def _skip(s: Any, jobs: Any, job: int, period: int, count: int) -> None:
    """Leave out ``count`` jobs after ``job``, which would each take ``period`` cycles, as ``job`` did."""
    shift, known = count * period, s[-1, JOB]
    unfinished = (jobs[DONE, job - 1], jobs[DONE, job])
    for number in range(1, count + 1):
        jobs[ISSUED, job + number] = jobs[ISSUED, job] + number * period
        jobs[DONE, job - 2 + number] = jobs[DONE, job - 2] + number * period
        jobs[ENDED, known - 1 + number] = jobs[ENDED, known - 1] + number * period
    for number in range(2):
        jobs[DONE, job + count - 1 + number] = unfinished[number] + (shift if unfinished[number] else 0)
    for n in range(len(s) - 1):
        for column in (FREE, LAST_SENT, LAST_BEAT):
            s[n, column] += shift
        s[n, FOUND] += shift if s[n, FOUND] >= 0 else 0
        s[n, JOB] += count
        s[n, OFFER] = -1
        for number in range(BLOCKS_HELD):
            for column in range(BLOCK_COLUMNS):
                s[n, RING + BLOCK_COLUMNS * number + column] += count if column == OF else shift
        for column in range(TAKEN, s.shape[1]):
            s[n, column] += shift
    s[-1, CHOOSE] += shift
    s[-1, JOB] += count


@inlined
def _busy_cycles(jobs: Any) -> int:
    """Cycles in which some job is issued and not collected."""
    busy, before = 0, 0
    for job in range(jobs.shape[1]):
        busy += max(jobs[ENDED, job] - max(jobs[ISSUED, job], before), 0)
        before = max(before, jobs[ENDED, job])
    return busy


@inlined
def _is_steady(s: Any, first: int) -> bool:
    """Whether all clusters and the collector are behind job ``first``."""
    last = s[-1, JOB]
    for n in range(len(s) - 1):
        last = min(last, s[n, JOB])
    return bool(last > first)


@called
def _run_tiles(
    check: int,
    words: int,
    first: int,
    s: Any,
    t: Any,
    jobs: Any,
    passes: Any,
    tiles: int,
    rows: Any,
    vectors: Any,
    advance: int,
    seen: Any,
) -> int:
    """Issue the jobs of a pass, of which the first is ``first``; return the check of the next packet."""
    job, stop, before, noted = first, first + tiles, 0, False
    while job < stop:
        if job >= 2:
            done = _finish(job - 2, s, t, jobs, passes, tiles, rows, vectors, advance)
            check = max(check, done + _DONE_KNOWN)
        if job >= t.max_jobs:
            ended = _collect(job - t.max_jobs, s, t, jobs, passes, tiles, rows, vectors, advance)
            check = max(check, ended + _COLLECTED_KNOWN)
        commit = check + words + _TO_COMMIT
        jobs[ISSUED, job] = commit
        left = stop - 1 - job
        if left and job - first >= _JOBS_SEEN and _is_steady(s, first):
            if _is_alike(seen, s, jobs, job, commit) and noted:
                period = commit - before
                _skip(s, jobs, job, period, left)
                job += left
                commit += left * period
            noted = True
        before = commit
        check = commit + t.header_words + _TO_CHECK
        job += 1
    return check


@compiled
def _passes(parts: Any, words: Any) -> Any:
    """Return the clusters of every pass, shape (passes, C, PASS_COLUMNS)."""
    count, clusters = words.shape
    passes = np.empty((count, clusters, PASS_COLUMNS), np.int64)
    for number in range(count):
        total = 0
        for n in range(clusters):
            passes[number, n, COUNT], passes[number, n, FIRST] = (
                parts.counts[number, n],
                parts.first[number, n],
            )
            passes[number, n, WORDS] = words[number, n]
            total += parts.counts[number, n]
        for n in range(clusters):
            passes[number, n, TOTAL] = total
    return passes


@compiled
def run_events(
    t: Any,
    head: Any,
    parts: Any,
    words: Any,
    tile_words: Any,
    tiles: int,
    vectors: Any,
    advance: int,
    depth: int,
) -> tuple[int, int]:
    """Return the cycles of one layer, and those in which some job is under way.

    Parameters
    ----------
    t : record of ``TIMING``
    head : (int, int)
        Packets before the first pass, and words of their payloads.
    parts : LayerParts
    words : ndarray of int64, shape (passes, C)
        Of the packets that bring a cluster its weights, without their frames.
    tile_words : ndarray of int64, shape (passes,)
        Of a tile's activations.
    tiles : int
        Of every pass.
    vectors : ndarray of int64, shape (vectors, VECTOR_COLUMNS)
    advance : int
        Bits of a record's ``advance``.
    depth : int
        Vectors that the queue holds.
    """
    passes, clusters = _passes(parts, words), words.shape[1]
    s = np.zeros((clusters + 1, TAKEN + depth), np.int64)
    for n in range(clusters):
        s[n, FOUND] = s[n, LAST_BEAT] = s[n, OFFER] = -1
        s[n, LAST_SENT] = -FAR
        s[n, TAKEN:] = -FAR
    rows = part_rows(parts, depth)
    jobs = np.zeros((JOB_ROWS, len(passes) * tiles), np.int64)
    seen = np.empty_like(s)
    # From check to check of a packet that waits for nothing, besides those of its words.
    packet = _TO_COMMIT + t.header_words + _TO_CHECK
    check = t.header_words + _FIRST_CHECK + head[0] * packet + head[1]
    for number in range(len(passes)):
        # The bank that its weights go to is that of the pass before the last.
        older = number * tiles - min(tiles, 3) - 1
        if older >= 0:
            done = _finish(older, s, t, jobs, passes, tiles, rows, vectors, advance)
            check = max(check, done + _DONE_KNOWN)
        check += packet
        for n in range(clusters):
            if passes[number, n, COUNT]:
                check += 3 * packet + passes[number, n, WORDS]
        first = number * tiles
        check = _run_tiles(
            check, tile_words[number], first, s, t, jobs, passes, tiles, rows, vectors, advance, seen
        )
    ended = _collect(jobs.shape[1] - 1, s, t, jobs, passes, tiles, rows, vectors, advance)
    return int(ended + t.stage + t.egress + 1), _busy_cycles(jobs)
