"""The offline schedule: inputs to chunks, blocks to passes, blocks and their parts to clusters."""

from dataclasses import dataclass, field
from itertools import zip_longest

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.schedule import BlockPart, Pass, Schedule
from sw.spans import ChunkSpans, KeptGroups, Span

__all__ = ["schedule_layer"]

_EXTRA_PASSES = 4
"""Numbers of passes tried above the lower bound before passes that do not fit are halved."""


@dataclass
class _Cluster:
    """What one cluster, or one pass, holds; ``load`` is in cycles, stolen ones included."""

    number: int
    load: int = 0
    beats: int = 0
    shorts: int = 0
    spans: list[Span] = field(default_factory=list)

    def time(self, arch: ArchConfig, more: int, parts: int) -> int:
        """Cycles with ``more`` load in ``parts`` more parts: those of multiplying or of draining."""
        return max(self.load + more, (len(self.spans) + parts) * arch.drain_cycles)


def schedule_layer(
    kept: KeptGroups, arch: ArchConfig, *, name: str = "layer", whole: bool = False
) -> Schedule:
    """Return the schedule of a layer.

    Inputs are cut into equal chunks of at most ``arch.max_inputs``; blocks into as few passes as the
    memories allow. Inside a pass the longest block goes to the least loaded cluster first, then tails
    of blocks move from overloaded to underloaded clusters. A block that no pass can hold whole appears
    in several passes of its chunk, at disjoint positions.

    Parameters
    ----------
    kept : KeptGroups
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
    blocks, positions, per_segment = kept.groups.shape
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
        spans = kept.chunk(start, min(start + chunk_inputs, positions), arch)
        passes += [_number(chunk, filled) for filled in _passes(spans, arch, name, whole)]
    return Schedule(chunk_inputs, tuple(passes))


def _passes(chunk: ChunkSpans, arch: ArchConfig, name: str, whole: bool) -> list[list[_Cluster]]:
    """Clusters of every pass of one chunk."""
    spans = [piece for span in chunk.whole for piece in _fitting(chunk, span, arch)]
    if whole and len(spans) > len(chunk.whole):
        longest = max(span.beats for span in chunk.whole)
        raise ConfigError(_too_long(name, longest, "beats", "value_depth"))
    fewest = max(
        1,
        -(-sum(span.beats for span in spans) // (arch.clusters * arch.value_depth)),
        -(-sum(span.records for span in spans) // (arch.clusters * _record_capacity(arch))),
        -(-len(spans) // (arch.clusters * arch.block_depth)),
    )
    bins: list[list[Span]] = []
    for count in range(fewest, fewest + _EXTRA_PASSES):
        bins = _distribute(spans, arch, min(count, len(spans)))
        held: list[list[_Cluster]] = []
        for spans_of_pass in bins:
            clusters = _fill(chunk, spans_of_pass, arch)
            if clusters is None:
                break
            held.append(clusters)
        else:
            return held
    done: list[list[_Cluster]] = []
    waiting = bins[::-1]
    while waiting:
        spans = waiting.pop()
        clusters = _fill(chunk, spans, arch)
        if clusters is not None:
            done.append(clusters)
            continue
        if len(spans) > 1:
            halves = _distribute(spans, arch, 2)
        elif whole:
            records, most = spans[0].records, _record_capacity(arch)
            what = (records, "records", "record_depth") if records > most else None
            raise ConfigError(_too_long(name, *(what or (spans[0].beats, "beats", "value_depth"))))
        else:
            halves = [[piece] for piece in chunk.halve(spans[0])]
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


def _fitting(chunk: ChunkSpans, span: Span, arch: ArchConfig) -> list[Span]:
    """Cut ``span`` into pieces whose beats all clusters together hold."""
    most = max(arch.clusters * (arch.value_depth - arch.groups), arch.value_depth)
    pieces: list[Span] = []
    count = -(-span.beats // most)
    for left in range(count, 1, -1):
        cut = chunk.cut(span, span.beats * (left - 1) // left)
        if cut is None:
            break
        pieces.append(cut[0])
        span = cut[1]
    return [*pieces, span]


def _distribute(spans: list[Span], arch: ArchConfig, count: int) -> list[list[Span]]:
    """Spread ``spans`` over up to ``count`` bins of equal beats and equally many short blocks.

    No block comes twice in one bin.
    """
    bins = [_Cluster(number) for number in range(count)]
    used: list[set[int]] = [set() for _ in range(count)]
    for span in sorted(spans, key=lambda span: (-span.beats, span.block, span.start)):
        free = [one for one in bins if span.block not in used[one.number]]
        if not free:
            free = [_Cluster(len(bins))]
            bins += free
            used.append(set())
        used[_add(free, span, arch).number].add(span.block)
    return [one.spans for one in bins if one.spans]


def _fill(chunk: ChunkSpans, spans: list[Span], arch: ArchConfig) -> list[_Cluster] | None:
    """Assign the blocks of one pass to clusters and balance them; None if they do not fit."""
    clusters = [_Cluster(number) for number in range(arch.clusters)]
    for span in sorted(spans, key=lambda span: (-span.beats, span.block)):
        free = [cluster for cluster in clusters if len(cluster.spans) < arch.block_depth]
        if not free:
            return None
        _add(free, span, arch)
    _balance(chunk, clusters, arch)
    for cluster in clusters:
        if cluster.beats > arch.value_depth:
            return None
        if sum(span.records for span in cluster.spans) > _record_capacity(arch):
            return None
    return clusters


def _add(clusters: list[_Cluster], span: Span, arch: ArchConfig) -> _Cluster:
    """Give ``span`` to the least loaded cluster; a short one to that with the fewest short ones.

    Short blocks hide their drain behind a long neighbour each, so their number counts, not their load.
    """
    short = span.beats + arch.groups < arch.drain_cycles
    best = clusters[0]
    if len(clusters) > 1:
        best = min(clusters, key=lambda cluster: (cluster.shorts * short, cluster.load, cluster.number))
    best.shorts += short
    best.spans.append(span)
    best.beats += span.beats
    best.load += span.beats + arch.groups
    return best


def _balance(chunk: ChunkSpans, clusters: list[_Cluster], arch: ArchConfig) -> None:
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
        sizes = [(span.block in slots and span.beats > amount, span.beats) for span in allowed]
        victim = allowed[sizes.index(max(sizes))] if allowed else None
        cut = None if victim is None else chunk.cut(victim, min(amount, victim.beats - 1))
        if victim is None or cut is None:
            closed.add(giver.number)
            continue
        slots.add(victim.block)
        moved = cut[1].beats
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


def _number(chunk: int, clusters: list[_Cluster]) -> Pass:
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
                for span in _alternate(cluster.spans)
            )
            for cluster in clusters
        ),
    )


def _alternate(spans: list[Span]) -> list[Span]:
    """Longest, shortest, second longest…: while a long block computes, the short one before it drains.

    A block of few beats takes less time to multiply than to drain, and only two psum banks wait.
    """
    ranked = sorted(spans, key=lambda span: (-span.beats, span.block))
    half = len(ranked) // 2
    order = [span for pair in zip_longest(ranked[:half], ranked[half:][::-1]) for span in pair]
    return [span for span in order if span is not None]
