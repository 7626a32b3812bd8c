"""The exact cycles of a layer without its stream: what exploration asks for thousands of designs."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_registers import PacketKind
from codesign.cycles import FRAME_WORDS, PACKET_KINDS, pipeline_timing
from codesign.event_kernel import Program, run_events
from spec.arch import ArchConfig
from spec.packet import Opcode
from sw.job import tile_count
from sw.plan import LayerPlan, SegmentedLayer, plan_layer
from sw.spans import escape_counts

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
    parts = _Parts.of(plan)
    stored, sent = _packets(plan, parts, tiles)
    kinds = [PACKET_KINDS.get(opcode, PacketKind.OTHER) for opcode, _ in sent]
    lengths = [words for _, words in sent]
    program = Program(
        kinds=np.array(kinds, np.int64),
        lengths=np.array(lengths, np.int64),
        job_pass=np.repeat(np.arange(len(parts.counts)), tiles),
        totals=np.repeat(parts.counts.sum(axis=1), tiles),
        counts=parts.counts,
        first=parts.first,
        low=parts.low,
        high=parts.high,
        start=parts.start,
        position=layer.position,
        beats=layer.beats,
        advance_width=arch.advance_width,
    )
    compute, cycles = run_events(pipeline_timing(arch)[0], arch.queue_depth, program)
    return QuickCount(
        compute_cycles=compute,
        load_cycles=sum(lengths) + FRAME_WORDS * len(sent),
        cycles=cycles,
        beats=tiles * int(parts.beats.sum()),
        bits=arch.stream_width * (sum(words for _, words in stored) + FRAME_WORDS * len(stored)),
        vectors=int((parts.high - parts.low).sum()),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """Parts of a layer's blocks, pass by pass and cluster by cluster.

    Parameters
    ----------
    counts, first : ndarray of int64, shape (passes, C)
        Parts of a cluster, and which is the first.
    low, high, start : ndarray of int64, shape (parts,)
        As in ``event_kernel.Program``.
    records, beats : ndarray of int64, shape (passes, C)
    """

    counts: Ints
    first: Ints
    low: Ints
    high: Ints
    start: Ints
    records: Ints
    beats: Ints

    @classmethod
    def of(cls, plan: LayerPlan) -> Self:
        """Return the parts of ``plan``."""
        its, size, arch = plan.segmented, plan.schedule.chunk_inputs, plan.arch
        places = [
            (part.block, one.chunk * size + part.start, one.chunk * size + part.stop)
            for one in plan.schedule.passes
            for parts in one.clusters
            for part in parts
        ]
        block, start, stop = np.array(places, np.int64).T
        low, high = its.find(block, start), its.find(block, stop)
        shape = (len(plan.schedule.passes), arch.clusters)
        counts = np.array([[len(parts) for parts in one.clusters] for one in plan.schedule.passes], np.int64)
        stops = counts.cumsum().reshape(shape)
        # A part without vectors has one record that ends it.
        records, before, live = np.ones_like(low), its.records_before(arch), low < high
        opening = escape_counts(its.position[low[live]] - start[live], arch)
        records[live] += opening + before[high[live]] - before[low[live] + 1]
        beats = its.beats_before[high] - its.beats_before[low]
        owner = np.repeat(np.arange(counts.size), counts.ravel())
        return cls(
            counts=counts,
            first=stops - counts,
            low=low,
            high=high,
            start=start,
            records=np.bincount(owner, records, counts.size).astype(np.int64).reshape(shape),
            beats=np.bincount(owner, beats, counts.size).astype(np.int64).reshape(shape),
        )


def _packets(
    plan: LayerPlan, parts: _Parts, tiles: int
) -> tuple[list[tuple[Opcode, int]], list[tuple[Opcode, int]]]:
    """Opcode and payload words of every packet: those of the file, and those that are sent."""
    stored = list(plan.head_packets())
    sent = list(stored)
    for number, one in enumerate(plan.schedule.passes):
        weights = [(Opcode.PASS, 0)]
        held = (parts.counts[number], parts.records[number], parts.beats[number])
        for blocks, records, beats in zip(*(values.tolist() for values in held), strict=True):
            if blocks:
                weights += plan.weight_packets(blocks, records, beats)
        stored += weights
        sent += [*weights, *[(Opcode.ACTIVATIONS, plan.activation_words(one.chunk))] * tiles]
    return [*stored, (Opcode.END, 0)], [*sent, (Opcode.END, 0)]
