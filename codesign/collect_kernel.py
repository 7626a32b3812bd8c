"""Collector and egress, stepped cycle by cycle: which block is fetched, and when its words may leave."""

from typing import Any

from codesign.compiler import called
from codesign.cycle_registers import RETURNS

__all__ = ["C_CHOOSE", "step_collector"]

C_CHOOSE, _C_HEADER, _C_WORDS, _C_TRAILER = range(4)
_LEAST_CREDITS = 3
"""With more of them an item goes: those of three cycles are not counted yet."""


@called
def _send(g: Any, t: Any, emits: bool, cycle: int, count: int, returns: Any, taken: Any) -> None:
    """One item down the chain: its credit comes back once it has left, or arrived if it is not to leave."""
    arrives = cycle + count + t.collect_tail + t.stage
    g.spent = 1
    if not emits:
        returns[arrives % RETURNS] += 1
        return
    leaves = arrives + t.egress
    if len(taken) == 0:
        returns[leaves % RETURNS] += 1
    elif g.sent < len(taken) and taken[g.sent] >= leaves:
        leaves = taken[g.sent]
    else:
        g.early = 1
    g.sent += 1
    g.last_out = leaves


@called
def _opens(g: Any, s: Any, part: int, parts: Any, arrived: Any) -> None:
    """Whether a block that is fetched completes its slot: then it is emitted."""
    slot, others = parts[part, 0], parts[part, 1]
    s.answered += 1
    g.emits = 1
    if slot >= 0:
        g.emits = 1 if arrived[slot] == others else 0
        arrived[slot] = 0 if g.emits == 1 else arrived[slot] + 1


@called
def _step_credits(g: Any, returns: Any, taken: Any, cycle: int) -> None:
    """Credits, as registers follow each other."""
    back = returns[cycle % RETURNS]
    returns[cycle % RETURNS] = 0
    if g.gone < g.sent and len(taken) > 0 and taken[g.gone] == cycle:
        back += 1
        g.gone += 1
    g.credits += g.returned
    g.returned = back


@called
def step_collector(
    g: Any,
    clusters: Any,
    t: Any,
    cycle: int,
    totals: Any,
    first: Any,
    parts: Any,
    arrived: Any,
    returns: Any,
    taken: Any,
) -> int:
    """Step both; return the cycle of the job's end if its last trailer goes out now, else -1.

    Parameters
    ----------
    g, clusters, t : records of ``CONTROL``, ``CLUSTER`` (C) and ``TIMING``
    cycle : int
    totals : ndarray of int64, shape (jobs,)
        Blocks of every job.
    first : ndarray of int64, shape (jobs, C)
        Of every job's cluster, its first row in ``parts``.
    parts : ndarray of int64, shape (blocks, 2)
        Slot of every block and the number of its other parts; -1 where nobody shares it.
    arrived : ndarray of int64, shape (slots,)
        Parts that have come, by slot.
    returns : ndarray of int64, shape (RETURNS,)
        Credits that come back, by cycle.
    taken : ndarray of int64, shape (words,) or (0,)
        Cycle in which each word of the answer is taken; empty if each is as soon as it is offered.
    """
    count, entered, ended, go = len(clusters), g.state, -1, g.go == 1
    spent, g.spent = g.spent, 0
    g.go = 1 if g.credits > _LEAST_CREDITS else 0
    if g.state == C_CHOOSE:
        for offset in range(1, count + 1):
            n = (g.chosen + offset) % count
            if clusters[n].eligible == 1:
                g.chosen, g.word, g.state = n, 0, _C_HEADER
                break
    for n in range(count):
        s = clusters[n]
        s.eligible = 1 if s.pending > 0 and s.pending_0 == g.current % 4 else 0
    if go and entered == _C_HEADER:
        s = clusters[g.chosen]
        s.pending -= 1
        s.pending_0 = s.pending_1
        g.state = _C_WORDS
        _opens(g, s, first[g.current, g.chosen] + s.answered, parts, arrived)
        _send(g, t, g.emits == 1, cycle, count, returns, taken)
    elif go and entered == _C_WORDS:
        g.word += 1
        # A header's second word comes first.
        number = g.word - t.header_words
        fills = number < 0 or number % t.places == t.places - 1 or g.word == t.block_items
        _send(g, t, g.emits == 1 and fills, cycle, count, returns, taken)
        if g.word == t.block_items:
            g.state = _C_TRAILER
    elif go and entered == _C_TRAILER:
        g.state = C_CHOOSE
        s = clusters[g.chosen]
        # One that is due in this very cycle counts as under way: clusters come after the collector.
        if s.free_at >= cycle:
            s.free_next = cycle + 1 + g.chosen
        else:
            s.free_at = cycle + 1 + g.chosen
        g.fetched += 1
        _send(g, t, g.emits == 1, cycle, count, returns, taken)
        if g.fetched == totals[g.current]:
            g.fetched = 0
            g.current += 1
            for n in range(count):
                clusters[n].answered = 0
            ended = int(cycle + count + t.collect_tail)
    _step_credits(g, returns, taken, cycle)
    g.credits -= spent
    return ended
