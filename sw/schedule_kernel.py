"""The schedule of a layer's blocks, compiled: exploration asks for those of many architectures.

All functions share this file, because numba's cache notices a change only in the file of the one that is
called from outside. Rows are copied and counted in loops: NumPy's ways take seconds to compile.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["schedule_blocks"]

Ints = NDArray[np.int64]

_EXTRA_PASSES: Final = 4
"""Numbers of passes tried above the lower bound before passes that do not fit are halved."""

# Columns of a piece of a block: its positions, its vectors and their beats, and the cluster that has it.
_BLOCK, _START, _STOP, _LOW, _HIGH, _BEATS, _OWNER, _PIECE_COLUMNS = range(8)
# Those of a part, which is a piece that is written, behind its vectors.
_SLOT, _PARTS, _PART_COLUMNS = range(5, 8)
# Rows of what a cluster or a pass holds: load in cycles, those included that its drains steal; beats, short
# pieces, pieces and records; whether it takes none, and gives none.
_LOAD, _HELD, _SHORTS, _COUNT, _RECORDS, _BARRED, _CLOSED, _HOLDER_ROWS = range(8)


class _Pass(NamedTuple):
    """A pass that is filled: its pieces as clusters received them, clusters, and pieces of every block."""

    pieces: Ints
    holders: Ints
    pieces_of: Ints


@njit(nogil=True, cache=True)
def _find(values: Ints, low: int, high: int, least: int) -> int:
    """First index from ``low`` on whose rising value is at least ``least``; ``high`` if none before it is."""
    if low == high or values[low] >= least:
        return low
    if values[high - 1] < least:
        return high
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def _split(piece: Ints, rest: Ints, position: int, vector: int, v: Any) -> None:
    """Leave to ``rest`` what of ``piece`` is at ``position`` or behind, from ``vector`` on."""
    rest[_BLOCK], rest[_START], rest[_STOP] = piece[_BLOCK], position, piece[_STOP]
    rest[_LOW], rest[_HIGH] = vector, piece[_HIGH]
    rest[_BEATS] = v.beats_before[piece[_HIGH]] - v.beats_before[vector]
    piece[_STOP], piece[_HIGH] = position, vector
    piece[_BEATS] -= rest[_BEATS]


@njit(nogil=True, cache=True)
def _cut(piece: Ints, rest: Ints, tail: int, v: Any) -> bool:
    """Leave to ``rest`` at most ``tail`` beats, not all, at the end; False if the last vector has more."""
    high = piece[_HIGH]
    vector = _find(v.beats_before, piece[_LOW], high, v.beats_before[high] - tail)
    if vector < high:
        _split(piece, rest, v.position[vector], vector, v)
    return bool(vector < high)


@njit(nogil=True, cache=True)
def _records(piece: Ints, v: Any) -> int:
    """Records of ``piece``; without vectors it has one that ends it."""
    low, high = piece[_LOW], piece[_HIGH]
    if low == high:
        return 1
    gap, width = v.position[low] - piece[_START], v.advance_width
    # The first vector's escapes, as in `sw.spans`.
    return int(v.records_before[high] - v.records_before[low + 1] + 1 - (-(gap >> width) >> width))


@njit(nogil=True, cache=True)
def _grown(rows: Ints, count: int) -> Ints:
    """``rows`` with room for ``count``."""
    if count <= len(rows):
        return rows
    more = np.empty((max(count - len(rows), len(rows)), rows.shape[1]), np.int64)
    return np.concatenate((rows, more))


@njit(nogil=True, cache=True)
def _chunk_pieces(start: int, stop: int, v: Any, limits: Any) -> tuple[Ints, int, int, int]:
    """Blocks of a chunk, cut into pieces whose beats all clusters together hold.

    Returns them, how many they are, the beats of the longest block, and the fewest passes that may hold all.
    """
    most = max(limits.clusters * (limits.value_depth - limits.groups), limits.value_depth)
    blocks, total, longest = len(v.first) - 1, 0, 0
    pieces, count = np.empty((blocks, _PIECE_COLUMNS), np.int64), 0
    for block in range(blocks):
        end = v.first[block + 1]
        low = _find(v.position, v.first[block], end, start)
        high = _find(v.position, low, end, stop)
        beats = v.beats_before[high] - v.beats_before[low]
        total, longest, left = total + beats, max(longest, beats), max(-(-beats // most), 1)
        pieces = _grown(pieces, count + left)
        one = pieces[count]
        one[_BLOCK], one[_START], one[_STOP] = block, start, stop
        one[_LOW], one[_HIGH], one[_BEATS] = low, high, beats
        count += 1
        while left > 1:
            one, rest = pieces[count - 1], pieces[count]
            if not _cut(one, rest, one[_BEATS] * (left - 1) // left, v):
                break
            count, left = count + 1, left - 1
    records = 0
    for number in range(count):
        records += _records(pieces[number], v)
    passes = max(-(-total // limits.value_depth), -(-records // limits.record_capacity))
    passes = max(passes, -(-count // limits.block_depth))
    return pieces, count, longest, -(-passes // limits.clusters)


@njit(nogil=True, cache=True)
def _longest_first(pieces: Ints, count: int) -> Ints:
    """The order of the first ``count`` of ``pieces`` by falling beats, then by block."""
    keys = np.empty(count, np.int64)
    for number in range(count):
        keys[number] = pieces[number, _BLOCK] - (pieces[number, _BEATS] << 32)
    return np.argsort(keys, kind="mergesort")


@njit(nogil=True, cache=True)
def _give(holders: Ints, count: int, beats: int, limits: Any, barred: int) -> int:
    """Give a piece to the least loaded of ``count`` holders that are not ``barred``, and return that, or -1.

    A short piece goes to the one with the fewest: such hide their drain behind a long neighbour each, so
    their number counts, not their load.
    """
    short = beats + limits.groups < limits.drain_cycles
    best, fewest, least = -1, 0, 0
    for one in range(count):
        shorts, load = holders[_SHORTS, one] if short else 0, holders[_LOAD, one]
        better = best < 0 or shorts < fewest or (shorts == fewest and load < least)
        if better and holders[_BARRED, one] != barred:
            best, fewest, least = one, shorts, load
    if best >= 0:
        holders[_LOAD, best] += beats + limits.groups
        holders[_HELD, best] += beats
        holders[_SHORTS, best] += short
        holders[_COUNT, best] += 1
    return best


@njit(nogil=True, cache=True)
def _distribute(
    pieces: Ints, order: Ints, passes: int, latest: Ints, limits: Any, waiting: Ints, left: int
) -> tuple[int, int]:
    """Spread pieces over ``passes`` of equal beats and as many short ones, or more: no block twice in one.

    Puts the passes on top of the ``left`` pieces that wait, the first uppermost, and returns how many wait
    then, and the most beats of a pass. With a piece stands how many of its pass it is the last of; ``latest``
    has room for every block.
    """
    count = len(order)
    holders = np.zeros((_HOLDER_ROWS, passes + count), np.int64)
    before, chosen = np.empty(count, np.int64), np.empty(count, np.int64)
    for number in order:
        latest[pieces[number, _BLOCK]] = -1
    for at in range(count):
        block, beats = pieces[order[at], _BLOCK], pieces[order[at], _BEATS]
        other = latest[block]
        before[at], latest[block] = other, at
        while other >= 0:
            holders[_BARRED, chosen[other]] = at + 1
            other = before[other]
        chosen[at] = _give(holders, passes, beats, limits, at + 1)
        if chosen[at] < 0:
            passes += 1
            chosen[at] = _give(holders, passes, beats, limits, at + 1)
    left += count
    begin, filled, place, most = np.empty(passes, np.int64), np.zeros(passes, np.int64), left, 0
    for one in range(passes):
        most = max(most, holders[_HELD, one])
        place -= holders[_COUNT, one]
        begin[one] = place
    for at in range(count):
        one = chosen[at]
        place = begin[one] + filled[one]
        filled[one] += 1
        waiting[place, 0], waiting[place, 1] = order[at], filled[one]
    return left, most


@njit(nogil=True, cache=True)
def _fill(pieces: Ints, order: Ints, p: Any, v: Any, limits: Any) -> int:
    """Assign pieces, longest first, to clusters and balance these; return how many there are then.

    That is -1 if the clusters do not hold them.
    """
    holders, used = p.holders, len(order)
    holders[:] = 0
    for at in range(used):
        piece = p.pieces[at]
        for column in range(_OWNER):
            piece[column] = pieces[order[at], column]
        p.pieces_of[piece[_BLOCK]] = 1
        owner = _give(holders, limits.clusters, piece[_BEATS], limits, 1)
        if owner < 0:
            return -1
        piece[_OWNER] = owner
        holders[_BARRED, owner] = holders[_COUNT, owner] == limits.block_depth
    used = _balance(p, used, v, limits)
    for at in range(used):
        holders[_RECORDS, p.pieces[at, _OWNER]] += _records(p.pieces[at], v)
    for one in range(limits.clusters):
        if holders[_HELD, one] > limits.value_depth or holders[_RECORDS, one] > limits.record_capacity:
            return -1
    return used


@njit(nogil=True, cache=True)
def _balance(p: Any, used: int, v: Any, limits: Any) -> int:
    """Move tails of blocks from the most to the least loaded clusters while that pays; count pieces anew."""
    holders, clusters, overhead, split = p.holders, limits.clusters, limits.groups, 0
    for _ in range(2 * clusters):
        giver, taker, soonest, total, below = -1, -1, 0, 0, 0
        for one in range(clusters):
            load = holders[_LOAD, one]
            total += load
            if not holders[_CLOSED, one] and (giver < 0 or load > holders[_LOAD, giver]):
                giver = one
            # Multiplying takes as long, or draining does.
            time = max(load + overhead, (holders[_COUNT, one] + 1) * limits.drain_cycles)
            if not holders[_BARRED, one] and (taker < 0 or time < soonest):
                taker, soonest = one, time
        overfull = giver >= 0 and holders[_HELD, giver] > limits.value_depth
        # Every part is collected as a whole block, one after the other from all clusters.
        latest = max(soonest, 0 if overfull else (used + 1) * limits.collect_cycles - 1)
        if giver < 0 or taker < 0 or latest >= holders[_LOAD, giver]:
            break
        mean = total // clusters
        for one in range(clusters):
            below += holders[_LOAD, one] < mean
        # Mean load once every cluster below the mean has received one more piece.
        target = (total + overhead * below) // clusters
        amount = min(holders[_LOAD, giver] - target, target - holders[_LOAD, taker] - overhead)
        if amount <= (0 if overfull else 2 * overhead + 8):
            break
        victim = _victim(p, used, giver, taker, amount, split < limits.split_slots)
        piece, rest = p.pieces[victim], p.pieces[used]
        if victim < 0 or not _cut(piece, rest, min(amount, piece[_BEATS] - 1), v):
            holders[_CLOSED, giver] = 1
            continue
        split += p.pieces_of[rest[_BLOCK]] == 1
        p.pieces_of[rest[_BLOCK]] += 1
        rest[_OWNER] = taker
        used += 1
        holders[_HELD, giver] -= rest[_BEATS]
        holders[_LOAD, giver] -= rest[_BEATS]
        holders[_HELD, taker] += rest[_BEATS]
        holders[_LOAD, taker] += rest[_BEATS] + overhead
        holders[_COUNT, taker] += 1
        holders[_BARRED, taker] = holders[_COUNT, taker] == limits.block_depth
    return used


@njit(nogil=True, cache=True)
def _victim(p: Any, used: int, giver: int, taker: int, amount: int, slot_free: bool) -> int:
    """The longest piece that may be cut, before it one long enough of a block split already; or -1."""
    victim, preferred, longest = -1, False, 0
    for at in range(used):
        block, beats = p.pieces[at, _BLOCK], p.pieces[at, _BEATS]
        if p.pieces[at, _OWNER] != giver:
            continue
        split = p.pieces_of[block] > 1
        allowed = split or slot_free
        for other in range(used if split else 0):
            # No cluster holds a block twice.
            if p.pieces[other, _BLOCK] == block and p.pieces[other, _OWNER] == taker:
                allowed = False
        first = split and beats > amount
        better = victim < 0 or first > preferred or (first == preferred and beats > longest)
        if allowed and better:
            victim, preferred, longest = at, first, beats
    return victim


@njit(nogil=True, cache=True)
def _write(p: Any, blocks: int, used: int, held: Ints, parts: Ints, count: int) -> None:
    """Add a pass of so many blocks to ``parts``, of which there are ``count``, and fill its rows of ``held``.

    Longest, shortest, second longest…: while a long piece computes, the short one before it drains. A piece
    of few beats takes less time to multiply than to drain, and only two psum banks wait.
    """
    for one in range(p.holders.shape[1]):
        held[one, 0], held[one, 1] = p.holders[_COUNT, one], count
        held[one, 2], held[one, 3] = p.holders[_RECORDS, one], p.holders[_HELD, one]
        count += p.holders[_COUNT, one]
        p.holders[_CLOSED, one] = 0
    for at in _longest_first(p.pieces, used):
        piece = p.pieces[at]
        turn, pieces = p.holders[_CLOSED, piece[_OWNER]], held[piece[_OWNER], 0]
        p.holders[_CLOSED, piece[_OWNER]] += 1
        place = 2 * turn if turn < pieces // 2 else min(2 * (pieces - turn), pieces) - 1
        part = parts[held[piece[_OWNER], 1] + place]
        for column in range(_BEATS):
            part[column] = piece[column]
        part[_SLOT], part[_PARTS] = 0, p.pieces_of[piece[_BLOCK]]
        for number in range(blocks if part[_PARTS] > 1 else 0):
            block = p.pieces[number, _BLOCK]
            part[_SLOT] += p.pieces_of[block] > 1 and block < piece[_BLOCK]


@njit(nogil=True, cache=True)
def schedule_blocks(
    v: Any, limits: Any, positions: int, chunk_inputs: int, whole: bool
) -> tuple[int, int, Ints, Ints, Ints]:
    """Return the schedule of a layer: see ``sw.schedule`` for what is scheduled how.

    Parameters
    ----------
    v : KeptVectors
        Of one block or more.
    limits : Limits
    positions, chunk_inputs : int
        Of the layer, at least 1; of every chunk but the last.
    whole : bool
        Every block must be complete when a pass ends.

    Returns
    -------
    beats, records : int
        Of a block that must be whole and that no pass holds: the arrays are empty then. Records are 0 if all
        clusters together hold too few beats. 0 and 0 if there is no such block.
    chunk : ndarray of int64, shape (passes,)
    held : ndarray of int64, shape (4, passes, C)
        Of every cluster: its parts, the first of them, their records, their beats.
    parts : ndarray of int64, shape (7, parts)
        By pass, cluster and order in the stream: block; first position in the layer, and the one behind the
        last; first vector, and the one behind the last; slot; parts of the block in this pass.
    """
    blocks, clusters = len(v.first) - 1, limits.clusters
    passes = count = 0
    chunk_of, held = np.empty((1, 1), np.int64), np.empty((clusters, 4), np.int64)
    parts, latest = np.empty((blocks + 2 * clusters, _PART_COLUMNS), np.int64), np.empty(blocks, np.int64)
    nothing = np.empty(0, np.int64), np.empty((4, 0, clusters), np.int64), np.empty((7, 0), np.int64)
    for chunk, start in enumerate(range(0, positions, chunk_inputs)):
        stop = min(start + chunk_inputs, positions)
        pieces, number, longest, fewest = _chunk_pieces(start, stop, v, limits)
        if whole and number > blocks:
            return longest, 0, *nothing
        p = _Pass(
            pieces=np.empty((number + 2 * clusters, _PIECE_COLUMNS), np.int64),
            holders=np.empty((_HOLDER_ROWS, clusters), np.int64),
            pieces_of=np.empty(blocks, np.int64),
        )
        order, waiting = _longest_first(pieces, number), np.empty((number, 2), np.int64)
        before, begun = passes, count
        for attempt in range(_EXTRA_PASSES + 1):
            # What the last number of passes does not hold is halved.
            halving = attempt == _EXTRA_PASSES
            wanted = min(fewest + min(attempt, _EXTRA_PASSES - 1), len(order))
            passes, count = before, begun
            left, most = _distribute(pieces, order, wanted, latest, limits, waiting, 0)
            if most > clusters * limits.value_depth and not halving:
                continue
            while left:
                filled = waiting[left - waiting[left - 1, 1] : left, 0].copy()
                left -= len(filled)
                used = _fill(pieces, filled, p, v, limits)
                if used >= 0:
                    chunk_of, held = _grown(chunk_of, passes + 1), _grown(held, (passes + 1) * clusters)
                    parts = _grown(parts, count + used)
                    chunk_of[passes] = chunk
                    _write(p, len(filled), used, held[passes * clusters :], parts, count)
                    passes, count = passes + 1, count + used
                elif not halving:
                    break
                elif len(filled) > 1:
                    left, _ = _distribute(pieces, filled, 2, latest, limits, waiting, left)
                elif whole:
                    return pieces[filled[0], _BEATS], _records(pieces[filled[0]], v), *nothing
                else:
                    pieces, waiting = _grown(pieces, number + 1), _grown(waiting, left + 2)
                    piece, rest = pieces[filled[0]], pieces[number]
                    # By beats, else by positions: what stands at one of them fits in the smallest memories.
                    if not _cut(piece, rest, piece[_BEATS] // 2, v):
                        middle = (piece[_START] + piece[_STOP]) // 2
                        _split(piece, rest, middle, _find(v.position, piece[_LOW], piece[_HIGH], middle), v)
                    waiting[left, 0], waiting[left, 1] = number, 1
                    waiting[left + 1, 0], waiting[left + 1, 1] = filled[0], 1
                    left, number = left + 2, number + 1
            else:
                break
    chunk_rows, cluster_rows = chunk_of[:passes, 0].copy(), np.ascontiguousarray(held[: passes * clusters].T)
    return 0, 0, chunk_rows, cluster_rows.reshape(4, passes, clusters), np.ascontiguousarray(parts[:count].T)
