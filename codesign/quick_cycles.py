"""The exact cycles of a layer without its stream: what exploration asks for thousands of designs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_registers import PacketKind, RecordKind
from codesign.cycles import FRAME_WORDS, PACKET_KINDS, pipeline_timing
from codesign.event_kernel import Program, run_events
from spec.arch import ArchConfig
from spec.packet import Opcode
from sw.job import tile_count
from sw.plan import ClusterVectors, LayerPlan, SegmentedLayer, plan_layer
from sw.schedule import escape_counts

__all__ = ["QuickCount", "quick_cycles"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class QuickCount:
    """Figures of one layer, by the names of ``spec.counters`` and of the report.

    Parameters
    ----------
    compute_cycles, load_cycles, cycles : int
    beats : int
        Beats of all clusters, as the counter.
    bits : int
        Of the layer in a packed file.
    vectors : int
    """

    compute_cycles: int
    load_cycles: int
    cycles: int
    beats: int
    bits: int
    vectors: int


def quick_cycles(layer: SegmentedLayer, arch: ArchConfig, tokens: int) -> QuickCount:
    """Return the cycles of ``layer``, cut for ``arch``, on ``tokens`` columns of which no activation is 0.

    They are those of ``codesign.cycles.layer_cycles``, unless a word of the stream happens to equal SYNC and
    takes another: then they are fewer by that.

    Raises
    ------
    ConfigError
        If the architecture cannot hold the layer.
    """
    plan, tiles = plan_layer(layer, arch), tile_count(tokens, arch)
    streams = [
        [plan.vectors(parts, one.chunk) if parts else None for parts in one.clusters]
        for one in plan.schedule.passes
    ]
    stored, sent = _packets(plan, streams, tiles)
    kinds = [PACKET_KINDS.get(opcode, PacketKind.OTHER) for opcode, _ in sent]
    lengths = [words for _, words in sent]
    flat = [stream for one in streams for stream in one]
    records = [_records(stream, arch) for stream in flat]
    stops = np.cumsum([len(kind) for kind, _ in records])
    starts = stops - [len(kind) for kind, _ in records]
    shape = (len(streams), arch.clusters)
    blocks = np.array([0 if stream is None else len(stream.spans) for stream in flat], np.int64)
    program = Program(
        kinds=np.array(kinds, np.int64),
        lengths=np.array(lengths, np.int64),
        job_pass=np.repeat(np.arange(len(streams)), tiles),
        totals=np.repeat(blocks.reshape(shape).sum(axis=1), tiles),
        bounds=np.stack([starts.reshape(shape), stops.reshape(shape)], axis=-1).astype(np.int64),
        counts=blocks.reshape(shape),
        kind=np.concatenate([kind for kind, _ in records]),
        live=np.concatenate([live for _, live in records]),
    )
    compute, cycles = run_events(pipeline_timing(arch)[0], arch.queue_depth, program)
    return QuickCount(
        compute_cycles=compute,
        load_cycles=sum(lengths) + FRAME_WORDS * len(sent),
        cycles=cycles,
        beats=tiles * int(program.live.sum()),
        bits=arch.stream_width * (sum(words for _, words in stored) + FRAME_WORDS * len(stored)),
        vectors=sum(int(np.count_nonzero(stream.bitmaps)) for stream in flat if stream is not None),
    )


def _packets(
    plan: LayerPlan, streams: list[list[ClusterVectors | None]], tiles: int
) -> tuple[list[tuple[Opcode, int]], list[tuple[Opcode, int]]]:
    """Opcode and payload words of every packet: those of the file, and those that are sent."""
    stored = list(plan.head_packets())
    sent = list(stored)
    for one, clusters in zip(plan.schedule.passes, streams, strict=True):
        weights = [(Opcode.PASS, 0)]
        for stream in clusters:
            if stream is not None:
                weights += plan.weight_packets(stream)
        stored += weights
        sent += [*weights, *[(Opcode.ACTIVATIONS, plan.activation_words(one.chunk))] * tiles]
    return [*stored, (Opcode.END, 0)], [*sent, (Opcode.END, 0)]


def _records(stream: ClusterVectors | None, arch: ArchConfig) -> tuple[Ints, Ints]:
    """Kind and beats of every record of one cluster in one pass."""
    if stream is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    before = escape_counts(stream.gaps, arch)
    own = np.cumsum(before + 1) - 1
    kind = np.full(int(own[-1]) + 1, int(RecordKind.ESCAPE), np.int64)
    live = np.zeros(len(kind), np.int64)
    kind[own] = np.where(stream.ends, RecordKind.END, RecordKind.VECTOR)
    live[own] = np.bitwise_count(stream.bitmaps)
    return kind, live
