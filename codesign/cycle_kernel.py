"""The registers that decide when things happen, stepped cycle by cycle.

A mirror of the control in ``hw``: decompressor, zero-skip queue, beat issuer, drain and output buffer of
every cluster, scheduler, and with ``input_kernel`` and ``collect_kernel`` what lies between them and the
streams. Data is left out, since it never decides about time.

Every ``_step_…`` function advances one component by a cycle. They run from the consumer to the producer,
so that each still sees the registers of its source as they were.
"""

from typing import Any

import numpy as np

from codesign.collect_kernel import C_CHOOSE, step_collector
from codesign.compiler import called, compiled
from codesign.cycle_registers import CLOSED_DEPTH, RETURNS, RING, Input, PacketKind, RecordKind
from codesign.input_kernel import step_input
from spec.counters import Cause

__all__ = ["run_layer"]

_NONE, _BEAT, _STEAL, _DRAIN, _OUTPUT, _SKIP, _VECTOR, _IMBALANCE = (int(cause) for cause in Cause)
_, _HELD, _STARVED = (int(state) for state in Input)
_, _PASS, _ACTIVATIONS, _ = (int(kind) for kind in PacketKind)
_ESCAPE, _BLOCK_END = int(RecordKind.ESCAPE), int(RecordKind.END)
_D_IDLE, _D_START, _D_FETCH, _D_BLOCK, _D_RECORDS = range(5)
_R_IDLE, _R_ROWS = range(2)


@called
def _cause(s: Any, busy: bool) -> int:
    """What the cycle that the registers stand before goes to; ``busy``: some cluster has a job."""
    if s.active == 1 and (s.steal == 1 or s.left >= 1):
        return _STEAL if s.steal == 1 else _BEAT
    if s.active == 0 and s.missing != _NONE:
        return int(s.missing)
    if s.waiting > 0:
        return _VECTOR
    return _IMBALANCE if busy else _NONE


@called
def _step_issuer(s: Any) -> int:
    """Beat issuer; return whether it took a vector."""
    steal = s.steal == 1
    finishing = s.active == 1 and not steal and s.left <= 1
    open_slot = s.active == 0 or finishing
    blocked = s.opens == 1 and s.busy[s.next_bank] == 1
    take = open_slot and not blocked and not steal and s.queued == 1
    s.missing = _SKIP if s.dropped_2 == 1 else _NONE
    if s.queued == 1:
        held = s.drain == _R_IDLE and s.closed_out == 1 and s.used == 2
        s.missing = (_OUTPUT if held else _DRAIN) if blocked else _STEAL
    s.closed = 1 if finishing and s.ends == 1 else 0
    s.closed_job = s.job
    s.done = 1 if finishing and s.lasts == 1 else 0
    if s.release == 1:
        s.busy[s.steal_bank] = 0
    if s.closed == 1:
        s.busy[s.bank] = 1
    if take:
        entry = s.queued_entry
        s.left, s.ends, s.lasts = s.ring_live[entry], s.ring_end[entry], s.ring_last[entry]
        s.job, s.bank, s.opens = s.ring_job[entry], s.next_bank, s.ring_end[entry]
        s.next_bank ^= s.ring_end[entry]
    elif s.active == 1 and not steal:
        s.left = max(s.left - 1, 0)
    if open_slot and not steal:
        s.active = 1 if take else 0
    return 1 if take else 0


@called
def _step_drain(s: Any, t: Any, cycle: int) -> int:
    """Drain; return whether it started a block."""
    start = 0
    s.steal, s.release = 0, 0
    if s.drain == _R_IDLE:
        if s.closed_out == 1 and s.used != 2:
            start = 1
            s.row, s.steal_bank, s.drain_job = 0, s.drain_bank, s.closed_out_job
            s.drain_bank ^= 1
            s.drain = _R_ROWS
    else:
        if s.step == 0:
            s.steal = 1
            s.release = 1 if s.row == t.rows - 1 else 0
        s.step += 1
        if s.step == t.row_cycles:
            s.step = 0
            s.row += 1
            if s.row == t.rows:
                s.drain = _R_IDLE
                if s.ready_at > cycle:
                    s.ready_next, s.ready_next_job = cycle + t.drain_tail, s.drain_job
                else:
                    s.ready_at, s.ready_job = cycle + t.drain_tail, s.drain_job
    return start


@called
def _step_closed(s: Any, closed: int, closed_job: int, taken: int) -> None:
    """Queue of closed blocks, given the issuer's output register as it was."""
    empty = s.closed_head == s.closed_tail
    if s.closed_out == 0 or taken == 1:
        s.closed_out = 0 if empty else 1
        if not empty:
            s.closed_out_job = s.closed_jobs[s.closed_head % CLOSED_DEPTH]
            s.closed_head += 1
    if closed == 1:
        s.closed_jobs[s.closed_tail % CLOSED_DEPTH] = closed_job
        s.closed_tail += 1


@called
def _step_queue(s: Any, taken: int) -> int:
    """Last pipeline stage and queue of the zero-skip controller; return 1 if a vector was dropped."""
    entry = s.z4_entry
    keep = s.ring_live[entry] > 0 or s.ring_end[entry] == 1 or s.ring_last[entry] == 1
    empty = s.head == s.tail
    if s.queued == 0 or taken == 1:
        s.queued = 0 if empty else 1
        if not empty:
            s.queued_entry = s.queue[s.head % RING]
            s.head += 1
    if s.z4 == 1 and keep:
        s.queue[s.tail % RING] = entry
        s.tail += 1
    return 1 if s.z4 == 1 and not keep else 0


@called
def _send(s: Any, live: int, end: int, last: int) -> None:
    """Decompressor's output register."""
    entry = s.entries % RING
    s.ring_live[entry], s.ring_end[entry], s.ring_last[entry] = live, end, last
    s.ring_job[entry] = s.jobs % 4
    s.sent, s.sent_entry = 1, entry
    s.entries += 1


@called
def _step_decompressor(
    s: Any, t: Any, cycle: int, ready: bool, bounds: Any, blocks: int, kind: Any, live: Any, spared: Any
) -> None:
    """Decompressor; ``bounds`` are the job's first and last record, ``ready`` the credit."""
    s.sent = 0
    if s.state == _D_IDLE:
        if s.runs > s.jobs:
            s.state, s.since, s.block = _D_START, cycle, 0
            s.record = bounds[0]
    elif s.state == _D_START:
        if blocks != 0:
            s.state = _D_FETCH
        elif ready:
            _send(s, 0, 0, 1)
            s.jobs += 1
            s.state = _D_IDLE
    elif s.state == _D_FETCH:
        s.block += 1
        s.state = _D_BLOCK
    elif s.state == _D_BLOCK:
        s.state = _D_RECORDS
    elif ready and cycle >= s.since + t.start:
        record = s.record
        s.record += 1
        end = kind[record] == _BLOCK_END
        last = end and s.block == blocks
        if kind[record] != _ESCAPE:
            s.skipped += spared[record]
            _send(s, live[record], 1 if end else 0, 1 if last else 0)
        if end:
            s.state = _D_IDLE if last else _D_FETCH
            if last:
                s.jobs += 1


@called
def _step_cluster(
    s: Any, t: Any, cycle: int, bounds: Any, blocks: int, kind: Any, live: Any, spared: Any
) -> None:
    """All of one cluster."""
    closed, closed_job = s.closed, s.closed_job
    ready = s.credits > 1
    taken = _step_issuer(s)
    describe = _step_drain(s, t, cycle)
    _step_closed(s, closed, closed_job, describe)
    s.used += describe
    if s.free_at == cycle:
        s.used -= 1
        s.free_at, s.free_next = s.free_next, -1
    dropped = _step_queue(s, taken)
    s.credits += s.returned - s.sent
    s.returned = dropped + taken
    s.dropped_2, s.dropped_1 = s.dropped_1, dropped
    s.z4, s.z4_entry = s.z3, s.z3_entry
    s.z3, s.z3_entry = s.z2, s.z2_entry
    s.z2, s.z2_entry = s.z1, s.z1_entry
    s.z1, s.z1_entry = s.sent, s.sent_entry
    _step_decompressor(s, t, cycle, ready, bounds, blocks, kind, live, spared)


@called
def _step_scheduler(g: Any, clusters: Any, t: Any, issue: int, next_pass: int, collected: int) -> None:
    """Scheduler: flags from the counts as they were, then the counts; the loader sees flags a cycle later."""
    most, fits = 0, 1
    for n in range(len(clusters)):
        most = max(most, clusters[n].waiting)
        if clusters[n].waiting > g.in_pass:
            fits = 0
    g.saw_activations_free, g.saw_weights_free = g.activations_free, g.weights_free
    g.activations_free = 1 if most < 2 and g.uncollected < t.max_jobs else 0
    g.weights_free = fits
    for n in range(len(clusters)):
        clusters[n].waiting += issue - clusters[n].done
    if next_pass == 1:
        g.in_pass = 0
    elif issue == 1 and g.in_pass != 3:
        g.in_pass += 1
    g.uncollected += issue - collected


@called
def _count(clusters: Any, g: Any) -> bool:
    """Count what the cycle goes to, given the scheduler's counts after it; return whether there is a job."""
    busy = False
    for n in range(len(clusters)):
        busy = busy or clusters[n].waiting > 0
    if busy:
        g.busy_cycles += 1
    elif g.input == _HELD:
        g.draining_cycles += 1
    elif g.input == _STARVED:
        g.starved_cycles += 1
    else:
        g.loading_cycles += 1
    return busy


@called
def _begin(g: Any, t: Any, cycle: int) -> None:
    """BEGIN is accepted: counters begin, as if nothing had held it."""
    g.begin = cycle + 1 - t.begin_cycles
    g.loading_cycles, g.draining_cycles, g.starved_cycles = t.begin_cycles - 1, 0, 0


@called
def _announce(s: Any, cycle: int) -> None:
    """Tell the collector of a drained block whose time has come."""
    if s.ready_at == cycle:
        if s.pending == 0:
            s.pending_0 = s.ready_job
        else:
            s.pending_1 = s.ready_job
        s.pending += 1
        s.ready_at, s.ready_job, s.ready_next = s.ready_next, s.ready_next_job, -1


@compiled
def run_layer(
    clusters: Any,
    g: Any,
    t: Any,
    syncs: Any,
    offers: Any,
    kinds: Any,
    lengths: Any,
    job_pass: Any,
    job_tile: Any,
    totals: Any,
    bounds: Any,
    blocks: Any,
    first: Any,
    parts: Any,
    slots: int,
    taken: Any,
    kind: Any,
    live: Any,
    spared: Any,
    trace: Any,
    limit: int,
) -> int:
    """Run one layer from its first word to its last; return its cycles.

    -1 past ``limit`` cycles, -2 if a word of the answer is said to be taken before it can be there.

    Parameters
    ----------
    clusters, g, t : record arrays of ``CLUSTER`` (C), ``CONTROL`` and ``TIMING`` (one each)
    syncs, offers, kinds, lengths
        See ``step_input``.
    job_pass, job_tile, totals : ndarray of int64, shape (jobs,)
        Pass and row of ``live`` of every job, and its blocks.
    bounds, blocks : ndarray of int64, shape (passes, C, 2) and (passes, C)
        Records and blocks of every cluster.
    first, parts, taken
        See ``step_collector``.
    slots : int
        For blocks of several parts.
    kind : ndarray of int64, shape (records,)
        ``RecordKind`` of every record.
    live, spared : ndarray of int64, shape (tiles, records)
        Beats to do and beats left out.
    trace : ndarray of uint8, shape (C + 2, cycles)
        Filled as far as it reaches: ``Cause`` of every cluster, ``Input``, and whether the collector works.
    """
    count, jobs = len(clusters), len(job_pass)
    run_at = np.full(jobs + 1, -1, np.int64)
    ended = np.full(jobs + 1, -1, np.int64)
    arrived, returns = np.zeros(max(slots, 1), np.int64), np.zeros(RETURNS, np.int64)
    collected_jobs, ending = 0, 0
    for cycle in range(limit):
        collected = 1 if collected_jobs < ending and ended[collected_jobs] == cycle else 0
        collected_jobs += collected
        g.compute_cycles += 1 if g.uncollected != 0 else 0

        committed = step_input(g, t, syncs, offers, kinds, lengths, cycle)
        if g.early == 1:
            return -2
        if g.current == jobs and cycle > g.last_out and g.end >= 0:
            return cycle - int(g.begin)
        if committed == 0:
            _begin(g, t, cycle)
        issue = 1 if committed >= 0 and kinds[committed] == _ACTIVATIONS else 0
        next_pass = 1 if committed >= 0 and kinds[committed] == _PASS else 0
        if issue == 1:
            run_at[g.issued] = cycle + 2
            g.issued += 1
        _step_scheduler(g, clusters, t, issue, next_pass, collected)
        busy, traced = _count(clusters, g), cycle < trace.shape[1]
        if traced:
            trace[count, cycle], trace[count + 1, cycle] = g.input, 0 if g.state == C_CHOOSE else 1
        end = step_collector(g, clusters, t, cycle, totals, first, parts, arrived, returns, taken)
        if end >= 0:
            ended[ending] = end
            ending += 1

        for n in range(count):
            s = clusters[n]
            _announce(s, cycle)
            cause = _cause(s, busy)
            s.causes[cause] += 1 if busy else 0
            if traced:
                trace[n, cycle] = cause
            job = min(s.jobs, jobs - 1)
            one, row = job_pass[job], job_tile[job]
            _step_cluster(s, t, cycle, bounds[one, n], blocks[one, n], kind, live[row], spared[row])
            if s.runs < jobs and run_at[s.runs] >= 0 and run_at[s.runs] + n == cycle:
                s.runs += 1
    return -1
