"""The offline schedule: inputs to chunks, blocks to passes, blocks and their parts to clusters."""

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.schedule import BlockPart, Pass, Schedule

__all__ = ["escape_counts", "schedule_layer"]

Gaps = TypeVar("Gaps", int, NDArray[np.int64])

_EXTRA_PASSES = 4
"""Numbers of passes tried above the lower bound before passes that do not fit are halved."""


def escape_counts(gaps: Gaps, arch: ArchConfig) -> Gaps:
    """Return how many escape records stand before a vector ``gaps`` positions on (see ``spec.record``)."""
    width = arch.advance_width
    return -(-(gaps >> width) >> width)


@dataclass(frozen=True)
class _Span:
    """Positions ``start`` to ``stop`` - 1 of a block."""

    block: int
    start: int
    stop: int


class _Costs:
    """Beats and records of any span of any block of one chunk, from cumulative sums."""

    def __init__(self, groups: NDArray[np.bool_], arch: ArchConfig) -> None:
        self.positions = groups.shape[1]
        self.arch = arch
        beats = groups.sum(axis=-1, dtype=np.int64)
        kept = beats > 0
        place = np.arange(self.positions)
        last = np.maximum.accumulate(np.where(kept, place, -1), axis=1)
        gap = place - 1 - np.pad(last[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
        records = np.where(kept, 1 + escape_counts(gap, arch), 0)
        start = ((0, 0), (1, 0))
        self.beats_before = np.pad(beats.cumsum(axis=1), start)
        self.records_before = np.pad(records.cumsum(axis=1), start)
        following = np.minimum.accumulate(np.where(kept, place, self.positions)[:, ::-1], axis=1)
        self.next_vector = np.pad(following[:, ::-1], ((0, 0), (0, 1)), constant_values=self.positions)

    def whole(self) -> list[_Span]:
        """Every block, uncut."""
        return [_Span(block, 0, self.positions) for block in range(len(self.beats_before))]

    def beats(self, span: _Span) -> int:
        """Beats of ``span``."""
        row = self.beats_before[span.block]
        return int(row[span.stop] - row[span.start])

    def records(self, span: _Span) -> int:
        """Records of ``span`` when ``next`` starts at its first position."""
        first = int(self.next_vector[span.block, span.start])
        if first >= span.stop:
            return 1
        row = self.records_before[span.block]
        return int(row[span.stop] - row[first + 1]) + 1 + escape_counts(first - span.start, self.arch)

    def short(self, span: _Span) -> bool:
        """Whether ``span`` takes longer to drain than to multiply."""
        return self.beats(span) + self.arch.groups < self.arch.drain_cycles

    def cut(self, span: _Span, tail: int) -> tuple[_Span, _Span] | None:
        """Cut off at most ``tail`` beats, but not all, at the end; None if the last vector has more."""
        if tail < 1:
            return None
        row = self.beats_before[span.block]
        at = int(np.searchsorted(row, row[span.stop] - tail))
        at = int(self.next_vector[span.block, at])
        if at >= span.stop:
            return None
        return _Span(span.block, span.start, at), _Span(span.block, at, span.stop)

    def halve(self, span: _Span) -> tuple[_Span, _Span]:
        """Cut ``span`` in two for two passes: by beats, else by positions.

        It has several: what stands at one fits in the smallest memories.
        """
        halves = self.cut(span, self.beats(span) // 2)
        if halves is None:
            at = (span.start + span.stop) // 2
            halves = _Span(span.block, span.start, at), _Span(span.block, at, span.stop)
        return halves


@dataclass
class _Cluster:
    """What one cluster, or one pass, holds; ``load`` is in cycles, stolen ones included."""

    number: int
    load: int = 0
    beats: int = 0
    shorts: int = 0
    spans: list[_Span] = field(default_factory=list)

    def time(self, arch: ArchConfig, more: int, parts: int) -> int:
        """Cycles with ``more`` load in ``parts`` more parts: those of multiplying or of draining."""
        return max(self.load + more, (len(self.spans) + parts) * arch.drain_cycles)


def schedule_layer(
    groups: NDArray[np.bool_], arch: ArchConfig, *, name: str = "layer", whole: bool = False
) -> Schedule:
    """Return the schedule of a layer whose kept groups are ``groups``.

    Inputs are cut into equal chunks of at most ``arch.max_inputs``; blocks into as few passes as the
    memories allow. Inside a pass the longest block goes to the least loaded cluster first, then tails
    of blocks move from overloaded to underloaded clusters. A block that no pass can hold whole appears
    in several passes of its chunk, at disjoint positions.

    Parameters
    ----------
    groups : ndarray of bool, shape (blocks, positions, B / L)
        In grouped order; positions as in ``spec.record``.
    arch : ArchConfig
    name : str
        Names the layer in errors.
    whole : bool
        Every block must be complete when a pass ends: its outputs are requantized on chip.

    Raises
    ------
    ConfigError
        If the layer cannot be held; names the parameter to raise.
    """
    blocks, positions, per_segment = groups.shape
    if per_segment != arch.groups:
        raise ConfigError(f"layer {name} has segments of {per_segment} groups, not {arch.groups}")
    if not blocks or not positions:
        raise ConfigError(f"layer {name} is empty")
    chunks = -(-positions // arch.max_inputs)
    if whole and chunks > 1:
        raise ConfigError(
            f"layer {name} is requantized, so its {positions} inputs must fit on chip at once, but they take "
            f"{chunks} chunks; raise `activation_depth`"
        )
    chunk_inputs = -(-positions // (chunks * arch.segment)) * arch.segment
    if chunks > 1 << 16:
        raise ConfigError(
            f"layer {name} needs {chunks} chunks of {chunk_inputs} inputs, more than 65536; "
            f"raise `activation_depth`"
        )
    passes: list[Pass] = []
    for chunk, start in enumerate(range(0, positions, chunk_inputs)):
        costs = _Costs(groups[:, start : start + chunk_inputs], arch)
        passes += [_number(chunk, filled, costs) for filled in _passes(costs, arch, name, whole)]
    return Schedule(chunk_inputs, tuple(passes))


def _passes(costs: _Costs, arch: ArchConfig, name: str, whole: bool) -> list[list[_Cluster]]:
    """Clusters of every pass of one chunk."""
    spans = [piece for span in costs.whole() for piece in _fitting(costs, span, arch)]
    if whole and len(spans) > len(costs.whole()):
        raise ConfigError(_too_long(name, max(map(costs.beats, costs.whole())), "beats", "value_depth"))
    fewest = max(
        1,
        -(-sum(map(costs.beats, spans)) // (arch.clusters * arch.value_depth)),
        -(-sum(map(costs.records, spans)) // (arch.clusters * _record_capacity(arch))),
        -(-len(spans) // (arch.clusters * arch.block_depth)),
    )
    bins: list[list[_Span]] = []
    for count in range(fewest, fewest + _EXTRA_PASSES):
        bins = _distribute(costs, spans, min(count, len(spans)))
        held: list[list[_Cluster]] = []
        for spans_of_pass in bins:
            clusters = _fill(costs, spans_of_pass, arch)
            if clusters is None:
                break
            held.append(clusters)
        else:
            return held
    done: list[list[_Cluster]] = []
    waiting = bins[::-1]
    while waiting:
        spans = waiting.pop()
        clusters = _fill(costs, spans, arch)
        if clusters is not None:
            done.append(clusters)
            continue
        if len(spans) > 1:
            halves = _distribute(costs, spans, 2)
        elif whole:
            records, most = costs.records(spans[0]), _record_capacity(arch)
            what = (records, "records", "record_depth") if records > most else None
            raise ConfigError(_too_long(name, *(what or (costs.beats(spans[0]), "beats", "value_depth"))))
        else:
            halves = [[piece] for piece in costs.halve(spans[0])]
        waiting += halves[::-1]
    return done


def _too_long(name: str, count: int, what: str, parameter: str) -> str:
    """Why a block of ``count`` beats or records cannot be requantized."""
    return (
        f"layer {name} is requantized, so each of its blocks must fit in one pass, but one has {count} "
        f"{what}; raise `{parameter}`"
    )


def _record_capacity(arch: ArchConfig) -> int:
    """Records that one cluster holds in one pass."""
    return arch.record_depth * arch.stream_width // arch.record_width


def _fitting(costs: _Costs, span: _Span, arch: ArchConfig) -> list[_Span]:
    """Cut ``span`` into pieces whose beats all clusters together hold."""
    most = max(arch.clusters * (arch.value_depth - arch.groups), arch.value_depth)
    pieces: list[_Span] = []
    count = -(-costs.beats(span) // most)
    for left in range(count, 1, -1):
        cut = costs.cut(span, costs.beats(span) * (left - 1) // left)
        if cut is None:
            break
        pieces.append(cut[0])
        span = cut[1]
    return [*pieces, span]


def _distribute(costs: _Costs, spans: list[_Span], count: int) -> list[list[_Span]]:
    """Spread ``spans`` over up to ``count`` bins of equal beats and equally many short blocks.

    No block comes twice in one bin.
    """
    bins = [_Cluster(number) for number in range(count)]
    used: list[set[int]] = [set() for _ in range(count)]
    for span in sorted(spans, key=lambda span: (-costs.beats(span), span.block, span.start)):
        free = [one for one in bins if span.block not in used[one.number]]
        if not free:
            free = [_Cluster(len(bins))]
            bins += free
            used.append(set())
        used[_add(costs, free, span).number].add(span.block)
    return [one.spans for one in bins if one.spans]


def _fill(costs: _Costs, spans: list[_Span], arch: ArchConfig) -> list[_Cluster] | None:
    """Assign the blocks of one pass to clusters and balance them; None if they do not fit."""
    clusters = [_Cluster(number) for number in range(arch.clusters)]
    for span in sorted(spans, key=lambda span: (-costs.beats(span), span.block)):
        free = [cluster for cluster in clusters if len(cluster.spans) < arch.block_depth]
        if not free:
            return None
        _add(costs, free, span)
    _balance(costs, clusters, arch)
    for cluster in clusters:
        if cluster.beats > arch.value_depth:
            return None
        if sum(map(costs.records, cluster.spans)) > _record_capacity(arch):
            return None
    return clusters


def _add(costs: _Costs, clusters: list[_Cluster], span: _Span) -> _Cluster:
    """Give ``span`` to the least loaded cluster; a short one to that with the fewest short ones.

    Short blocks hide their drain behind a long neighbour each, so their number counts, not their load.
    """
    short = costs.short(span)
    best = min(clusters, key=lambda cluster: (cluster.shorts * short, cluster.load, cluster.number))
    best.shorts += short
    best.spans.append(span)
    best.beats += costs.beats(span)
    best.load += costs.beats(span) + costs.arch.groups
    return best


def _balance(costs: _Costs, clusters: list[_Cluster], arch: ArchConfig) -> None:
    """Move tails of blocks from the most to the least loaded clusters while that pays."""
    overhead = arch.groups
    worth = 2 * overhead + 8
    slots: set[int] = set()
    closed: set[int] = set()
    for _ in range(2 * arch.clusters):
        givers = [cluster for cluster in clusters if cluster.number not in closed]
        takers = [cluster for cluster in clusters if len(cluster.spans) < arch.block_depth]
        if not givers or not takers:
            return
        giver = max(givers, key=lambda cluster: (cluster.load, -cluster.number))
        taker = min(takers, key=lambda cluster: (cluster.time(arch, overhead, 1), cluster.number))
        target = _target([cluster.load for cluster in clusters], overhead)
        if taker.time(arch, overhead, 1) >= giver.load:
            return
        amount = min(giver.load - target, target - taker.load - overhead)
        if amount <= (0 if giver.beats > arch.value_depth else worth):
            return
        held = {span.block for span in taker.spans}
        allowed = [
            span
            for span in giver.spans
            if span.block not in held and (span.block in slots or len(slots) < arch.split_slots)
        ]
        sizes = [(span.block in slots and costs.beats(span) > amount, costs.beats(span)) for span in allowed]
        victim = allowed[sizes.index(max(sizes))] if allowed else None
        cut = None if victim is None else costs.cut(victim, min(amount, costs.beats(victim) - 1))
        if victim is None or cut is None:
            closed.add(giver.number)
            continue
        slots.add(victim.block)
        moved = costs.beats(cut[1])
        giver.spans[giver.spans.index(victim)] = cut[0]
        giver.beats -= moved
        giver.load -= moved
        taker.spans.append(cut[1])
        taker.beats += moved
        taker.load += moved + overhead


def _target(loads: list[int], overhead: int) -> int:
    """Mean load once every cluster below the mean has received one more part."""
    total, count = sum(loads), len(loads)
    below = sum(load < total // count for load in loads)
    return (total + overhead * below) // count


def _number(chunk: int, clusters: list[_Cluster], costs: _Costs) -> Pass:
    """Give split blocks their slots and every cluster its order."""
    parts: dict[int, int] = {}
    for cluster in clusters:
        for span in cluster.spans:
            parts[span.block] = parts.get(span.block, 0) + 1
    split = sorted(block for block, count in parts.items() if count > 1)
    slots = {block: slot for slot, block in enumerate(split)}
    return Pass(
        chunk,
        tuple(
            tuple(
                BlockPart(span.block, span.start, span.stop, slots.get(span.block, 0), parts[span.block])
                for span in _alternate(cluster.spans, costs)
            )
            for cluster in clusters
        ),
    )


def _alternate(spans: list[_Span], costs: _Costs) -> list[_Span]:
    """Longest, shortest, second longest…: while a long block computes, the short one before it drains.

    A block of few beats takes less time to multiply than to drain, and only two psum banks wait.
    """
    ranked = sorted(spans, key=lambda span: (-costs.beats(span), span.block))
    half = -(-len(ranked) // 2)
    order = [span for pair in zip_longest(ranked[:half], ranked[half:][::-1]) for span in pair]
    return [span for span in order if span is not None]
