"""The same cycles as ``cycle_kernel``, from one event to the next instead of cycle by cycle.

What happens to a vector follows from a few moments: when the decompressor sends it, when the beat issuer
takes it, when its last beat is done; to a block, when it closes, is drained, and leaves its half of the
output buffer. Each is the latest of what it waits for, plus a latency. No activation is taken as 0: vectors
leave the zero-skip queue in order. As soon as a tile leaves all as the one before did, no other is looked at.

Clusters meet in the collector alone. It serves blocks in the order of time, so a cluster is advanced block by
block, and never past a moment that a block not yet served decides about. A block that starts as it did in the
tile before ends as it did.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_kernel import compiled
from codesign.cycle_registers import PacketKind

__all__ = [
    "BLOCKS_HELD",
    "BLOCK_COLUMNS",
    "CLUSTER_COLUMNS",
    "COLLECTOR_COLUMNS",
    "known_columns",
    "run_events",
]

_PASS, _ACTIVATIONS, _LAYER_END = (int(PacketKind[name]) for name in ("PASS", "ACTIVATIONS", "END"))

# Cycles from one register to another, as `cycle_kernel` steps them: a vector sent to the issuer; a last beat
# to the drain; a drain to its first steal; a block announced to the collector; a job's commit to cluster 0;
# the last payload word to the commit; a commit to the next check; a job done or collected to the check that
# knows; a job found to the descriptor of its first block, or a block's end to that of the next.
_TO_ISSUER, _TO_DRAIN, _TO_STEAL, _TO_COLLECTOR, _TO_CLUSTER = 7, 3, 2, 2, 3
_TO_COMMIT, _TO_CHECK, _DONE_KNOWN, _COLLECTED_KNOWN, _TO_BLOCK = 5, 3, 4, 3, 2
_FIRST_CHECK: Final = 5

# Columns of a cluster: job and block that come next, and its next part; the cycle from which the
# decompressor may take a record or look for a job; when it found the one under way, or -1; vectors sent, and
# when the last one was; when the last beat was done; blocks closed, drained as far as known, and served.
_JOB, _BLOCK, _PART, _FREE, _FOUND, _SENT, _LAST_SENT, _LAST_BEAT, _CLOSED, _DRAINED, _SERVED = range(11)
CLUSTER_COLUMNS: Final = 11
# Columns of a block: its last beat, the start of its drain, when its half is free again, and its job.
_BEAT, _DRAIN, _LEFT, _OF = range(4)
BLOCK_COLUMNS: Final = 4
BLOCKS_HELD: Final = 4
"""Blocks of a cluster that are remembered: two psum banks and two halves of the output buffer."""
# Columns of the collector: cycle from which it chooses, last cluster, job, blocks of that fetched.
_CHOOSE, _CHOSEN, _CURRENT, _FETCHED = range(4)
COLLECTOR_COLUMNS: Final = 4
_JOBS_KNOWN: Final = 4
"""Jobs whose end the scheduler may still ask for."""
_FAR: Final = 1 << 60


def known_columns(depth: int) -> int:
    """Columns of a part: how it started, and how it ended."""
    return (depth + 1) + (depth + 3)


@compiled
def _beats_done(step: int, beats: int, drain: int, t: Any) -> int:
    """Cycle of the last of ``beats`` after ``step``, one in every cycle but those in which the drain that
    starts at ``drain`` takes the psums' read port, one of every ``row_cycles`` for each row."""
    first = drain + _TO_STEAL
    if step < first - 1:
        free = min(first - 1 - step, beats)
        step, beats = step + free, beats - free
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


@compiled
def _send_cycle(free: int, sent: int, last_sent: int, taken: Any) -> int:
    """First cycle from ``free`` on in which the decompressor has credit for its next record."""
    depth = len(taken)
    cycle = free
    # A vector sent in the cycle before is not counted yet. The depth is a power of two.
    if sent > 0 and last_sent == free - 1:
        if sent < depth or taken[sent & (depth - 1)] <= free - 2:
            return free
        cycle = last_sent + 2
    if sent >= depth - 1:
        cycle = max(cycle, taken[(sent + 1) & (depth - 1)] + 2)
    return cycle


@compiled
def _multiply(s: Any, blocks: Any, taken: Any, t: Any, p: Any, low: int, high: int, before: int) -> None:
    """Vectors ``low`` to ``high`` - 1 of a block that begins, or one without beats if there is none.

    The decompressor sends each once it has credit. The issuer takes it once the slot is free, the first
    once its psum bank is drained, and makes beat after beat.
    """
    drain, last_row = -_FAR, (t.rows - 1) * t.row_cycles + _TO_STEAL + 1
    earliest = -_FAR
    if s[_CLOSED] >= 1:
        drain = blocks[(s[_CLOSED] - 1) % BLOCKS_HELD, _DRAIN]
    if s[_CLOSED] >= 2:
        earliest = blocks[(s[_CLOSED] - 2) % BLOCKS_HELD, _DRAIN] + last_row
    free, sent, last_sent, last_beat = s[_FREE], s[_SENT], s[_LAST_SENT], s[_LAST_BEAT]
    width, empty = p.advance_width, low == high
    for vector in range(low, low + 1 if empty else high):
        beats = 1 if empty else p.beats[vector]
        if not empty:
            gap = p.position[vector] - before - 1
            before = p.position[vector]
            for _ in range(-(-(gap >> width) >> width)):
                free = _send_cycle(free, sent, last_sent, taken) + 1
        last_sent = _send_cycle(free, sent, last_sent, taken)
        free = last_sent + 1
        step = max(last_sent + _TO_ISSUER, last_beat, earliest)
        earliest = -_FAR
        # Behind the last row's steal a vector takes its beats and no more.
        if step < drain + last_row:
            step = _beats_done(step - 1, 1, drain, t)
            last_beat = _beats_done(step, beats, drain, t)
        else:
            last_beat = step + beats
        taken[sent & (len(taken) - 1)] = step
        sent += 1
    s[_FREE], s[_SENT], s[_LAST_SENT], s[_LAST_BEAT] = free, sent, last_sent, last_beat


@compiled
def _starts_alike(s: Any, blocks: Any, taken: Any, t: Any, known: Any) -> bool:
    """Whether a block starts as ``known`` says, in cycles from the first in which a record may be sent.

    Notes how it does. What is over by then, or by the cycle of the vector that asks for it, is alike.
    """
    now, depth, last_row = s[_FREE], len(taken), (t.rows - 1) * t.row_cycles + _TO_STEAL + 1
    drained = blocks[(s[_CLOSED] - 1) % BLOCKS_HELD, _DRAIN] + last_row if s[_CLOSED] >= 1 else 0
    begin = s[_LAST_BEAT]
    if s[_CLOSED] >= 2:
        begin = max(begin, blocks[(s[_CLOSED] - 2) % BLOCKS_HELD, _DRAIN] + last_row)
    alike = True
    for number in range(depth + 1):
        floor = _TO_ISSUER
        if number == depth:
            moment = begin
        elif number == 0:
            moment = drained
        else:
            moment, floor = taken[(s[_SENT] + number) & (depth - 1)] + 2, number - 1
        moment = max(moment - now, floor)
        alike = alike and known[number] == moment
        known[number] = moment
    return alike


@compiled
def _multiply_part(s: Any, blocks: Any, taken: Any, t: Any, p: Any, known: Any) -> None:
    """Vectors of a cluster's next part, or what is known of them."""
    low, high, now, depth = p.low[s[_PART]], p.high[s[_PART]], s[_FREE], len(taken)
    # Only a part that fills the queue says for itself which credits there are behind it.
    lasting = high - low >= depth and s[_SENT] >= depth and s[_LAST_SENT] < now - 1
    ends = known[depth + 1 :]
    if lasting and _starts_alike(s, blocks, taken, t, known):
        s[_SENT] += high - low
        s[_FREE], s[_LAST_SENT], s[_LAST_BEAT] = now + ends[0], now + ends[1], now + ends[2]
        for number in range(depth):
            taken[(s[_SENT] + number) & (depth - 1)] = now + ends[3 + number]
        return
    _multiply(s, blocks, taken, t, p, low, high, p.start[s[_PART]] - 1)
    if lasting:
        ends[0], ends[1], ends[2] = s[_FREE] - now, s[_LAST_SENT] - now, s[_LAST_BEAT] - now
        for number in range(depth):
            ends[3 + number] = taken[(s[_SENT] + number) & (depth - 1)] - now


@compiled
def _advance(n: int, m: Any, t: Any, p: Any) -> None:
    """Next block of cluster ``n``, or a job without any."""
    s, blocks, taken = m.clusters[n], m.blocks[n], m.taken[n]
    if s[_DRAINED] < s[_CLOSED]:
        _start_drain(s, blocks, t)
    job = s[_JOB]
    count = p.counts[p.job_pass[job], n]
    if s[_FOUND] < 0:
        s[_FOUND] = max(s[_FREE], m.issued[job] + _TO_CLUSTER + n)
        s[_PART] = p.first[p.job_pass[job], n]
        s[_FREE] = s[_FOUND] + 1
        if count > 0:
            s[_FREE] = s[_FOUND] + max(_TO_BLOCK + 2, t.start)
    if count == 0:
        # One vector without beats tells the issuer that the job is over.
        _multiply(s, blocks, taken, t, p, 0, 0, 0)
    else:
        _multiply_part(s, blocks, taken, t, p, m.known[s[_PART]])
        s[_PART] += 1
        block = blocks[s[_CLOSED] % BLOCKS_HELD]
        block[_BEAT], block[_OF] = s[_LAST_BEAT], job
        s[_CLOSED] += 1
        s[_BLOCK] += 1
        if s[_BLOCK] < count:
            s[_FREE] += _TO_BLOCK
            return
    s[_BLOCK], s[_FOUND] = 0, -1
    s[_JOB] += 1
    m.done[job] = max(m.done[job], s[_LAST_BEAT])


@compiled
def _start_drain(s: Any, blocks: Any, t: Any) -> None:
    """When the drain of the next closed block starts, given when the one before the last left the buffer."""
    number = s[_DRAINED]
    block = blocks[number % BLOCKS_HELD]
    start = block[_BEAT] + _TO_DRAIN
    if number >= 1:
        start = max(start, blocks[(number - 1) % BLOCKS_HELD, _DRAIN] + t.rows * t.row_cycles + 1)
    if number >= 2:
        start = max(start, blocks[(number - 2) % BLOCKS_HELD, _LEFT] + 1)
    block[_DRAIN] = start
    s[_DRAINED] += 1


@compiled
def _offer_cycle(n: int, m: Any, t: Any) -> int:
    """When the collector may choose the oldest block of cluster ``n``; far off if it has none of the job."""
    s, blocks = m.clusters[n], m.blocks[n]
    block = blocks[s[_SERVED] % BLOCKS_HELD]
    if s[_SERVED] == s[_CLOSED] or block[_OF] != m.collector[_CURRENT]:
        return _FAR
    if s[_DRAINED] == s[_SERVED]:
        _start_drain(s, blocks, t)
    return int(block[_DRAIN] + t.rows * t.row_cycles + t.drain_tail + _TO_COLLECTOR)


@compiled
def _serve(m: Any, t: Any, p: Any) -> None:
    """Collector: choose the block that comes next, fetch it, and free its half of the buffer."""
    g, clusters, offers = m.collector, len(m.clusters), m.offers
    for n in range(clusters):
        s = m.clusters[n]
        # Its oldest block must be known before another's can be preferred.
        while s[_SERVED] == s[_CLOSED] and s[_JOB] <= g[_CURRENT]:
            if s[_JOB] == g[_CURRENT] and p.counts[p.job_pass[s[_JOB]], n] == 0:
                break
            _advance(n, m, t, p)
        offers[n] = _offer_cycle(n, m, t)
    cycle = max(g[_CHOOSE], offers.min())
    chosen = (g[_CHOSEN] + 1) % clusters
    while offers[chosen] > cycle:
        chosen = (chosen + 1) % clusters
    trailer = cycle + t.words_per_block + 2
    s = m.clusters[chosen]
    m.blocks[chosen, s[_SERVED] % BLOCKS_HELD, _LEFT] = trailer + 1 + chosen
    s[_SERVED] += 1
    g[_CHOSEN], g[_CHOOSE] = chosen, trailer + 1
    g[_FETCHED] += 1
    if g[_FETCHED] == p.totals[g[_CURRENT]]:
        m.ended[g[_CURRENT]] = trailer + clusters + t.collect_tail
        # Clusters are asked for the next job a cycle later.
        g[_CHOOSE] = trailer + 2
        g[_FETCHED] = 0
        g[_CURRENT] += 1


@compiled
def _finish(job: int, m: Any, t: Any, p: Any) -> int:
    """Let every cluster do ``job``; return when the last has."""
    for n in range(len(m.clusters)):
        s = m.clusters[n]
        while s[_JOB] <= job:
            # A drain is known once the half that it fills is free.
            while s[_DRAINED] < s[_CLOSED] and s[_DRAINED] >= s[_SERVED] + 2:
                _serve(m, t, p)
            _advance(n, m, t, p)
    return int(m.done[job])


@compiled
def _collect(job: int, m: Any, t: Any, p: Any) -> int:
    """Let the collector fetch all of ``job``; return when it has."""
    while m.collector[_CURRENT] <= job:
        _serve(m, t, p)
    return int(m.ended[job])


@compiled
def _snapshot(m: Any, job: int, commit: int) -> NDArray[np.int64]:
    """All that decides about what comes, in cycles from ``commit`` and jobs from ``job`` on."""
    clusters, depth = m.taken.shape
    found = np.empty(clusters * (CLUSTER_COLUMNS + depth + 4 * BLOCKS_HELD) + 2 * _JOBS_KNOWN + 4, np.int64)
    at = 0
    for n in range(clusters):
        s = m.clusters[n]
        found[at : at + 3] = (s[_FREE] - commit, s[_LAST_SENT] - commit, s[_LAST_BEAT] - commit)
        found[at + 3] = s[_FOUND] - commit if s[_FOUND] >= 0 else _FAR
        found[at + 4 : at + 7] = (s[_JOB] - job, s[_BLOCK], s[_PART])
        found[at + 7 : at + 9] = (s[_CLOSED] - s[_DRAINED], s[_CLOSED] - s[_SERVED])
        # Rings count for what they hold once they are full, wherever they start.
        found[at + 9 : at + CLUSTER_COLUMNS] = (min(s[_SENT], depth), min(s[_CLOSED], BLOCKS_HELD))
        at += CLUSTER_COLUMNS
        for number in range(depth):
            found[at + number] = m.taken[n, (s[_SENT] + number) % depth] - commit
        at += depth
        for number in range(BLOCKS_HELD):
            block = m.blocks[n, (s[_CLOSED] + number) % BLOCKS_HELD]
            found[at : at + 3] = block[:_OF] - commit
            found[at + 3] = block[_OF] - job
            at += 4
    g = m.collector
    for number in range(1, _JOBS_KNOWN + 1):
        found[at] = m.done[max(job - 1 - number, 0)] - commit
        found[at + 1] = m.ended[max(g[_CURRENT] - number, 0)] - commit
        at += 2
    found[at:] = (g[_CHOOSE] - commit, g[_CHOSEN], g[_CURRENT] - job, g[_FETCHED])
    return found


@compiled
def _skip(m: Any, job: int, period: int, jobs: int) -> None:
    """Leave out ``jobs`` jobs after ``job``, which would each take ``period`` cycles, as ``job`` did."""
    shift, known = jobs * period, m.collector[_CURRENT]
    unfinished = m.done[job - 1 : job + 1].copy()
    for number in range(1, jobs + 1):
        m.issued[job + number] = m.issued[job] + number * period
        m.done[job - 2 + number] = m.done[job - 2] + number * period
        m.ended[known - 1 + number] = m.ended[known - 1] + number * period
    for number in range(2):
        m.done[job + jobs - 1 + number] = unfinished[number] + (shift if unfinished[number] else 0)
    for n in range(len(m.clusters)):
        s = m.clusters[n]
        s[_FREE] += shift
        s[_LAST_SENT] += shift
        s[_LAST_BEAT] += shift
        s[_FOUND] += shift if s[_FOUND] >= 0 else 0
        s[_JOB] += jobs
    m.taken[:] += shift
    m.blocks[:, :, :_OF] += shift
    m.blocks[:, :, _OF] += jobs
    m.collector[_CHOOSE] += shift
    m.collector[_CURRENT] += jobs


@compiled
def run_events(t: Any, p: Any, m: Any) -> int:
    """Return the cycles of one layer, and leave in ``m`` when its jobs were issued and collected.

    Parameters
    ----------
    t : record of ``TIMING``
    p : Program
    m : Moments
    """
    m.clusters[:, _FOUND] = -1
    m.clusters[:, _LAST_BEAT] = -1
    check, job, in_pass, packet = _FIRST_CHECK, 0, 0, 0
    before, last_commit = np.empty(0, np.int64), 0
    while p.kinds[packet] != _LAYER_END:
        kind, cycle = p.kinds[packet], check
        if kind == _ACTIVATIONS:
            if job >= 2:
                cycle = max(cycle, _finish(job - 2, m, t, p) + _DONE_KNOWN)
            if job >= t.max_jobs:
                cycle = max(cycle, _collect(job - t.max_jobs, m, t, p) + _COLLECTED_KNOWN)
        elif kind == _PASS:
            older = job - min(in_pass, 3) - 1
            if older >= 0:
                cycle = max(cycle, _finish(older, m, t, p) + _DONE_KNOWN)
            in_pass = 0
        commit = cycle + p.lengths[packet] + _TO_COMMIT
        if kind == _ACTIVATIONS:
            m.issued[job] = commit
            alike = p.alike[packet]
            if (
                alike
                and in_pass >= _JOBS_KNOWN + 2
                and min(m.clusters[:, _JOB].min(), m.collector[_CURRENT]) > job - in_pass
            ):
                now = _snapshot(m, job, commit)
                if len(before) and np.array_equal(now, before):
                    period = commit - last_commit
                    _skip(m, job, period, alike)
                    packet += alike
                    job += alike
                    in_pass += alike
                    commit += alike * period
                before = now
            last_commit = commit
            job += 1
            in_pass += 1
        else:
            before = np.empty(0, np.int64)
        check = commit + _TO_CHECK
        packet += 1
    return int(_collect(len(m.ended) - 1, m, t, p) + t.egress + 1)
