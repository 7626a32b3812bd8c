"""The scheduler's rules once more, with every beat and record counted anew wherever one is asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.record import advance_records
from spec.schedule import BlockPart, Pass, Schedule

__all__ = ["plain_schedule"]

OVERHEAD_OF_A_MOVE = 8
"""Cycles that moving a part must win beyond the two drains that it costs."""
MORE_PASSES = 4
"""So many numbers of passes are tried before passes that do not fit are halved."""


class Piece(NamedTuple):
    """Positions ``start`` to ``stop`` - 1 of a block."""

    block: int
    start: int
    stop: int


@dataclass
class Holder:
    """A cluster or a pass: what it holds, and how many short pieces it was given."""

    number: int
    pieces: list[Piece] = field(default_factory=list)
    shorts: int = 0


class Chunk:
    """The kept groups of one chunk, blocks x positions x groups."""

    def __init__(self, groups: NDArray[np.bool_], arch: ArchConfig) -> None:
        self.groups, self.arch = groups, arch

    def beats(self, *pieces: Piece) -> int:
        return sum(int(self.groups[one.block, one.start : one.stop].sum()) for one in pieces)

    def records(self, *pieces: Piece) -> int:
        return sum(self._records(one) for one in pieces)

    def _records(self, piece: Piece) -> int:
        following, count = piece.start, 0
        for at in range(piece.start, piece.stop):
            if self.groups[piece.block, at].any():
                count += len(advance_records(at - following, 1, False, self.arch))
                following = at + 1
        return max(count, 1)

    def load(self, holder: Holder) -> int:
        return self.beats(*holder.pieces) + len(holder.pieces) * self.arch.groups

    def capacity(self) -> int:
        return self.arch.record_depth * self.arch.stream_width // self.arch.record_width

    def cut(self, piece: Piece, tail: int) -> tuple[Piece, Piece] | None:
        """Two pieces, the second of at most ``tail`` beats and beginning with a vector; neither is empty."""
        block, start, stop = piece
        if tail < 1:
            return None
        fitting = [at for at in range(stop + 1) if self.beats(Piece(block, at, stop)) <= tail]
        kept = [at for at in range(fitting[0], stop) if self.groups[block, at].any()]
        if not kept or kept[0] <= start:
            return None
        pieces = Piece(block, start, kept[0]), Piece(block, kept[0], stop)
        return pieces if all(map(self.beats, pieces)) else None

    def give(self, holders: list[Holder], piece: Piece) -> Holder:
        """To whom is least loaded; a piece that drains longer than it computes, to whom has fewest such."""
        short = self.beats(piece) + self.arch.groups < self.arch.drain_cycles
        best = min(holders, key=lambda one: (one.shorts if short else 0, self.load(one), one.number))
        best.pieces.append(piece)
        best.shorts += short
        return best

    def longest_first(self, pieces: Iterable[Piece]) -> list[Piece]:
        return sorted(pieces, key=lambda one: (-self.beats(one), one.block, one.start))

    def spread(self, pieces: list[Piece], count: int) -> list[list[Piece]]:
        """Over passes, none of which gets a block twice."""
        passes = [Holder(number) for number in range(count)]
        for piece in self.longest_first(pieces):
            free = [one for one in passes if all(its.block != piece.block for its in one.pieces)]
            if not free:
                passes.append(Holder(len(passes)))
                free = passes[-1:]
            self.give(free, piece)
        return [one.pieces for one in passes if one.pieces]

    def fill(self, pieces: list[Piece]) -> list[Holder] | None:
        """The clusters of one pass, balanced; None if they do not hold its pieces."""
        clusters = [Holder(number) for number in range(self.arch.clusters)]
        for piece in self.longest_first(pieces):
            free = [one for one in clusters if len(one.pieces) < self.arch.block_depth]
            if not free:
                return None
            self.give(free, piece)
        shared: set[int] = set()
        closed: set[int] = set()
        for _ in range(2 * self.arch.clusters):
            if not self.move(clusters, shared, closed):
                break
        fits = all(
            self.beats(*one.pieces) <= self.arch.value_depth and self.records(*one.pieces) <= self.capacity()
            for one in clusters
        )
        return clusters if fits else None

    def move(self, clusters: list[Holder], shared: set[int], closed: set[int]) -> bool:
        """Move the tail of a block from the most to the least loaded cluster; False if that does not pay."""
        arch, more = self.arch, self.arch.groups

        def time(one: Holder) -> int:
            return max(self.load(one) + more, (len(one.pieces) + 1) * arch.drain_cycles)

        open_ones = [one for one in clusters if one.number not in closed]
        takers = [one for one in clusters if len(one.pieces) < arch.block_depth]
        if not open_ones or not takers:
            return False
        giver = max(open_ones, key=lambda one: (self.load(one), -one.number))
        taker = min(takers, key=lambda one: (time(one), one.number))
        loads = [self.load(one) for one in clusters]
        below = [load for load in loads if load < sum(loads) // len(loads)]
        target = (sum(loads) + more * len(below)) // len(loads)
        amount = min(self.load(giver) - target, target - self.load(taker) - more)
        overfull = self.beats(*giver.pieces) > arch.value_depth
        if time(taker) >= self.load(giver) or amount <= (0 if overfull else 2 * more + OVERHEAD_OF_A_MOVE):
            return False
        collected = (sum(len(one.pieces) for one in clusters) + 1) * (arch.words_per_block + 3)
        if not overfull and collected > self.load(giver):
            return False
        victim = self.victim(giver, taker, shared, amount)
        cut = victim and self.cut(victim, min(amount, self.beats(victim) - 1))
        if not victim or not cut:
            closed.add(giver.number)
            return True
        shared.add(victim.block)
        giver.pieces[giver.pieces.index(victim)] = cut[0]
        taker.pieces.append(cut[1])
        return True

    def victim(self, giver: Holder, taker: Holder, shared: set[int], amount: int) -> Piece | None:
        """The longest block that may be split; before it, one that is split already and long enough."""
        best: Piece | None = None
        for one in giver.pieces:
            split = one.block in shared
            if any(its.block == one.block for its in taker.pieces):
                continue
            if not split and len(shared) >= self.arch.split_slots:
                continue
            if best is None or self.rank(one, shared, amount) > self.rank(best, shared, amount):
                best = one
        return best

    def rank(self, piece: Piece, shared: set[int], amount: int) -> tuple[bool, int]:
        return piece.block in shared and self.beats(piece) > amount, self.beats(piece)

    def pieces(self) -> list[Piece]:
        """Every block, cut into equal pieces that all clusters together hold."""
        arch, found = self.arch, []
        most = max(arch.clusters * (arch.value_depth - arch.groups), arch.value_depth)
        for block in range(len(self.groups)):
            piece = Piece(block, 0, self.groups.shape[1])
            for left in range(-(-self.beats(piece) // most), 1, -1):
                cut = self.cut(piece, self.beats(piece) * (left - 1) // left)
                if cut is None:
                    break
                found.append(cut[0])
                piece = cut[1]
            found.append(piece)
        return found

    def passes(self) -> list[list[Holder]]:
        """As few as hold everything; where no number does, halves of those that hold too much."""
        arch, pieces = self.arch, self.pieces()
        fewest = max(
            1,
            -(-self.beats(*pieces) // (arch.clusters * arch.value_depth)),
            -(-self.records(*pieces) // (arch.clusters * self.capacity())),
            -(-len(pieces) // (arch.clusters * arch.block_depth)),
        )
        for count in range(fewest, fewest + MORE_PASSES):
            bins = self.spread(pieces, min(count, len(pieces)))
            held = [self.fill(one) for one in bins]
            if all(one is not None for one in held):
                return [one for one in held if one is not None]
        return [clusters for one in bins for clusters in self.halved(one)]

    def halved(self, pieces: list[Piece]) -> list[list[Holder]]:
        clusters = self.fill(pieces)
        if clusters is not None:
            return [clusters]
        if len(pieces) > 1:
            halves = self.spread(pieces, 2)
        else:
            (one,) = pieces
            middle = (one.start + one.stop) // 2
            cut = self.cut(one, self.beats(one) // 2) or (
                one._replace(stop=middle),
                one._replace(start=middle),
            )
            halves = [[half] for half in cut]
        return [clusters for half in halves for clusters in self.halved(half)]

    def ordered(self, holder: Holder) -> list[Piece]:
        """Longest, shortest, second longest, second shortest..."""
        ranked = self.longest_first(holder.pieces)
        half = -(-len(ranked) // 2)
        turns = zip_longest(ranked[:half], reversed(ranked[half:]))
        return [one for pair in turns for one in pair if one is not None]


def plain_schedule(groups: NDArray[np.bool_], arch: ArchConfig) -> Schedule:
    """Return the schedule of a layer that need not be whole in any pass."""
    positions, found = groups.shape[1], []
    chunks = -(-positions // arch.max_inputs)
    size = -(-positions // (chunks * arch.segment)) * arch.segment
    for number, start in enumerate(range(0, positions, size)):
        chunk = Chunk(groups[:, start : start + size], arch)
        for clusters in chunk.passes():
            held = [piece.block for one in clusters for piece in one.pieces]
            split = sorted({block for block in held if held.count(block) > 1})
            parts = [
                tuple(
                    BlockPart(
                        *one, split.index(one.block) if one.block in split else 0, held.count(one.block)
                    )
                    for one in chunk.ordered(cluster)
                )
                for cluster in clusters
            ]
            found.append(Pass(number, tuple(parts)))
    return Schedule(size, tuple(found))
