"""The cycle model: what the RTL's own counters will say, without simulating it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_kernel import run_layer
from codesign.cycle_registers import CLUSTER, CONTROL, TIMING, PacketKind, RecordKind
from hw.accelerator import Accelerator
from hw.cluster import Cluster
from hw.counters import Counters
from hw.decompressor import Decompressor
from hw.egress import Egress
from hw.output_buffer import OutputBuffer
from hw.output_stage import OutputStage
from hw.scheduler import Scheduler
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, CYCLE_CAUSES
from spec.direction import Direction
from spec.packet import Opcode, framing_words, read_packets
from sw.job import job_stream, tile_count
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.unpack import PackedLayer, PackedPass, unpack

__all__ = [
    "PACKET_KINDS",
    "CycleCount",
    "Timeline",
    "WordTimes",
    "dense_cycles",
    "layer_cycles",
    "pipeline_timing",
    "timeline",
]

Ints = NDArray[np.int64]

_LIMIT: Final = 1 << 40
_EARLY: Final = -2
"""Of ``run_layer``: a word is taken before it can be there."""
PACKET_KINDS: Final[dict[int, int]] = {
    Opcode.PASS: PacketKind.PASS,
    Opcode.ACTIVATIONS: PacketKind.ACTIVATIONS,
    Opcode.END: PacketKind.END,
}


@dataclass(frozen=True)
class CycleCount:
    """Counters of one layer, by the names and meanings of ``spec.counters.COUNTERS``."""

    compute_cycles: int
    load_cycles: int
    cycles: int
    skipped_beats: int
    busy_cycles: int
    loading_cycles: int
    draining_cycles: int
    starved_cycles: int
    beats: int
    steal_cycles: int
    drain_wait_cycles: int
    output_wait_cycles: int
    skip_wait_cycles: int
    vector_wait_cycles: int
    imbalance_cycles: int


@dataclass(frozen=True, eq=False)
class Timeline:
    """What happens in each cycle of a layer, from its first word on.

    Parameters
    ----------
    causes : ndarray of uint8, shape (C, cycles)
        ``spec.counters.Cause`` of every cluster; ``NONE`` while no cluster has a job.
    inputs : ndarray of uint8, shape (cycles,)
        ``codesign.cycle_registers.Input``.
    outputs : ndarray of bool, shape (cycles,)
        The collector fetches a block.
    """

    causes: NDArray[np.uint8]
    inputs: NDArray[np.uint8]
    outputs: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WordTimes:
    """When a job's words move, in cycles from any origin.

    Parameters
    ----------
    offered : ndarray of int64, shape (words in,)
        Cycle in which each word of the stream is first offered.
    taken : ndarray of int64, shape (words out,)
        Cycle in which each word of the answer is taken; those behind the last block do not count.
    """

    offered: Ints
    taken: Ints


_AT_ONCE: Final = WordTimes(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class _Program:
    """A layer as the kernel takes it; see ``run_layer``."""

    syncs: NDArray[np.bool_]
    kinds: Ints
    lengths: Ints
    job_pass: Ints
    job_tile: Ints
    totals: Ints
    bounds: Ints
    blocks: Ints
    first: Ints
    parts: Ints
    kind: Ints
    live: Ints
    spared: Ints


def layer_cycles(
    layer: PackedLayer,
    arch: ArchConfig,
    tokens: int,
    activations: NDArray[Any] | None = None,
    times: WordTimes | None = None,
) -> CycleCount:
    """Return the cycles of ``layer`` on ``tokens`` columns.

    Exact for an input that offers a word in every cycle and an output that always accepts, or, with ``times``
    and all activations, for any others.

    Parameters
    ----------
    layer : PackedLayer
        Packed for ``arch``.
    tokens : int
        Columns N; at least 1.
    activations : ndarray of int, shape (K, N), optional
        Zero-skipping is counted for these; without them no activation is taken to be 0.
    times : WordTimes, optional
        When words move, if not as soon as they can.

    Raises
    ------
    ValueError
        If ``times`` are not those of this job on this architecture: of another number of words, out of order,
        or with a word that is taken before it can be there.
    """
    program = _program(layer, arch, tokens, activations)
    if times is None:
        return _run(program, layer, arch, _trace(arch, 0))
    return _run(program, layer, arch, _trace(arch, 0), _from_first(times, len(program.syncs)))


def timeline(
    layer: PackedLayer,
    arch: ArchConfig,
    tokens: int,
    activations: NDArray[Any] | None = None,
    cycles: int | None = None,
) -> Timeline:
    """Return what happens in each of the first ``cycles`` cycles, or in all of them."""
    program = _program(layer, arch, tokens, activations)
    if cycles is None:
        cycles = _run(program, layer, arch, _trace(arch, 0)).cycles
    trace = _trace(arch, cycles)
    _run(program, layer, arch, trace)
    return Timeline(causes=trace[:-2], inputs=trace[-2], outputs=trace[-1] != 0)


def _from_first(times: WordTimes, words: int) -> WordTimes:
    """Check ``times`` and count them from the first word."""
    if len(times.offered) != words:
        raise ValueError(f"the job has {words} words, but the times are those of {len(times.offered)}")
    if (np.diff(times.offered) < 0).any() or (np.diff(times.taken) < 1).any():
        raise ValueError("words are offered one after the other, and taken in cycles of their own")
    return WordTimes(times.offered - times.offered[0], times.taken - times.offered[0])


def _trace(arch: ArchConfig, cycles: int) -> NDArray[np.uint8]:
    """Room for what ``run_layer`` traces."""
    return np.zeros((arch.clusters + 2, cycles), np.uint8)


def dense_cycles(layer: PackedLayer, arch: ArchConfig, tokens: int) -> CycleCount:
    """Return the cycles of the same matrix with every weight kept, on the same architecture."""
    return _dense_cycles(layer.rows, layer.cols, layer.direction, arch, tokens)


@lru_cache(maxsize=256)
def _dense_cycles(rows: int, cols: int, direction: Direction, arch: ArchConfig, tokens: int) -> CycleCount:
    size = rows if direction is Direction.VERTICAL else cols
    dense = QuantizedLayer(
        name="dense",
        weights=np.ones((rows, cols), np.int8),
        mask=np.ones((rows, cols), np.bool_),
        direction=direction,
        order=np.arange(size),
        scales=np.ones(rows, np.float32),
    )
    return layer_cycles(unpack(pack([dense], arch)).layers[0], arch, tokens)


def pipeline_timing(arch: ArchConfig) -> Any:
    """Constants of the pipeline, taken from the components that set them."""
    timing = np.zeros(1, TIMING).view(np.recarray)
    timing.start = Decompressor.START_LATENCY
    # The drain says in a register what it does, then psums are on their way.
    # The columns of each tree are reached once those of the tree before have been.
    behind = (arch.drain_trees - 1) * arch.row_cycles
    timing.drain_tail = 1 + Cluster.drain_latency(arch) + behind + OutputBuffer.READY_LATENCY
    timing.collect_tail = Cluster.DATA_LAG + Accelerator.answer_latency(arch)
    timing.stage = OutputStage.LATENCY if arch.output_blocks else 0
    timing.egress, timing.credits, timing.places = Egress.LATENCY, Accelerator.egress_depth(arch), 1
    timing.begin_cycles = Counters.begin_cycles(arch)
    timing.header_words = arch.header_words
    timing.block_items = arch.words_per_block + arch.header_words - 1
    timing.rows = arch.groups
    timing.row_cycles = arch.row_cycles
    timing.max_jobs = Scheduler.MAX_JOBS
    return timing


def _run(
    program: _Program,
    layer: PackedLayer,
    arch: ArchConfig,
    trace: NDArray[np.uint8],
    times: WordTimes = _AT_ONCE,
) -> CycleCount:
    clusters = np.zeros(arch.clusters, CLUSTER).view(np.recarray)
    clusters.credits = arch.queue_depth
    clusters.opens = 1
    clusters.ready_at = clusters.ready_next = clusters.free_at = clusters.free_next = -1
    control = np.zeros(1, CONTROL).view(np.recarray)
    timing = pipeline_timing(arch)
    if layer.outputs is not None:
        timing.places = arch.output_width // arch.activation_width
    control.end, control.taking, control.go, control.credits = -1, 1, 1, timing.credits
    cycles = run_layer(
        clusters,
        control[0],
        timing[0],
        program.syncs,
        times.offered,
        program.kinds,
        program.lengths,
        program.job_pass,
        program.job_tile,
        program.totals,
        program.bounds,
        program.blocks,
        program.first,
        program.parts,
        arch.split_slots,
        times.taken,
        program.kind,
        program.live,
        program.spared,
        trace,
        _LIMIT,
    )
    if cycles == _EARLY:
        raise ValueError(
            f"word {int(control.sent[0]) - 1} of the answer is taken before it can be there; give the times "
            "of this job on this architecture"
        )
    return CycleCount(
        load_cycles=len(program.syncs),
        cycles=cycles,
        skipped_beats=int(clusters.skipped.sum()),
        **{name: int(control[name][0]) for name in ("compute_cycles", *CYCLE_CAUSES)},
        **{name: int(clusters.causes[:, cause].sum()) for cause, name in CLUSTER_CAUSES.items()},
    )


def _program(layer: PackedLayer, arch: ArchConfig, tokens: int, activations: NDArray[Any] | None) -> _Program:
    """Flatten a layer's packets, jobs and records."""
    tiles = tile_count(tokens, arch)
    syncs, kinds, lengths = _packets(layer, arch, tokens, activations)
    records = [stream for one in layer.passes for stream in one.clusters]
    stops = np.cumsum([len(stream.bitmap) for stream in records])
    starts = stops - [len(stream.bitmap) for stream in records]
    shape = (len(layer.passes), arch.clusters)
    blocks = np.array([len(stream.parts) for stream in records], np.int64).reshape(shape)
    bitmap = np.concatenate([stream.bitmap for stream in records])
    end = np.concatenate([stream.end for stream in records])
    kept = np.bitwise_count(bitmap).astype(np.int64)
    live = _live_beats(layer, arch, tokens, activations, kept)
    kind = np.where(bitmap != 0, RecordKind.VECTOR, RecordKind.ESCAPE)
    job_pass = np.repeat(np.arange(len(layer.passes)), tiles)
    return _Program(
        syncs=syncs,
        kinds=kinds,
        lengths=lengths,
        job_pass=job_pass,
        job_tile=np.tile(np.arange(tiles) % len(live), len(layer.passes)),
        totals=np.repeat(blocks.sum(axis=1), tiles),
        bounds=np.stack([starts.reshape(shape), stops.reshape(shape)], axis=-1).astype(np.int64),
        blocks=blocks,
        first=(np.cumsum(blocks) - blocks.ravel()).reshape(shape)[job_pass],
        parts=_parts(layer),
        kind=np.where(end != 0, RecordKind.END, kind).astype(np.int64),
        live=live,
        spared=kept - live,
    )


def _packets(
    layer: PackedLayer, arch: ArchConfig, tokens: int, activations: NDArray[Any] | None
) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Which of all words that are sent are SYNC, and kinds and payload words of all packets."""
    if activations is None:
        activations = np.ones((layer.cols, tokens), np.int8)
    size = arch.stream_width // 8
    stream = job_stream(layer, activations[:, :tokens], arch)
    sync = np.frombuffer(framing_words(size)[0], np.uint8)
    syncs = (np.frombuffer(stream, np.uint8).reshape(-1, size) == sync).all(axis=1)
    headers = [packet.header for packet in read_packets(stream, size)]
    packets = [PACKET_KINDS.get(header.opcode, PacketKind.OTHER) for header in headers]
    return syncs, np.array(packets, np.int64), np.array([header.length for header in headers], np.int64)


def _parts(layer: PackedLayer) -> Ints:
    """Slot of every block in stream order and the number of its other parts, -1 of those that have none."""
    rows = [
        (part.slot, part.parts - 1) if part.parts > 1 else (-1, -1)
        for one in layer.passes
        for stream in one.clusters
        for part in stream.parts
    ]
    return np.array(rows, np.int64).reshape(-1, 2)


def _live_beats(
    layer: PackedLayer, arch: ArchConfig, tokens: int, activations: NDArray[Any] | None, kept: Ints
) -> Ints:
    """Beats of every record with some non-zero activation, shape (tiles, records); one row without any."""
    if activations is None:
        return kept[None, :]
    if layer.direction is Direction.HORIZONTAL:
        activations = activations[layer.order]
    tiles = tile_count(tokens, arch)
    padded = np.zeros((layer.cols, tiles * arch.tokens), np.bool_)
    padded[:, :tokens] = activations[:, :tokens] != 0
    by_tile = padded.reshape(layer.cols, tiles, arch.tokens)
    found: NDArray[np.bool_] = np.logical_or.reduce(by_tile, axis=-1).T
    return np.concatenate([_pass_beats(one, found, layer, arch) for one in layer.passes], axis=1)


def _pass_beats(one: PackedPass, found: NDArray[np.bool_], layer: PackedLayer, arch: ArchConfig) -> Ints:
    """Live beats of the records of one pass, from the inputs ``found`` non-zero in each tile."""
    size = layer.schedule.chunk_inputs
    bitmap = np.concatenate([stream.bitmap for stream in one.clusters])
    position = np.concatenate([stream.position for stream in one.clusters])
    inputs = found[:, one.chunk * size : (one.chunk + 1) * size]
    width = -(-inputs.shape[1] // arch.segment) * arch.segment
    inputs = np.pad(inputs, ((0, 0), (0, width - inputs.shape[1])))
    place = np.minimum(position, width - 1)
    if layer.direction is Direction.VERTICAL:
        return np.where(inputs[:, place], np.bitwise_count(bitmap), 0).astype(np.int64)
    groups = inputs.reshape(len(inputs), -1, arch.groups, arch.lanes).any(axis=-1)
    masks = (groups * (1 << np.arange(arch.groups))).sum(axis=-1)
    beats: Ints = np.bitwise_count(masks[:, place // arch.segment] & bitmap).astype(np.int64)
    return beats
