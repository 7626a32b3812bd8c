"""A layer as the event kernel takes it: its packets, its jobs, and the parts of its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_registers import PacketKind
from codesign.cycles import PACKET_KINDS
from codesign.event_kernel import (
    BLOCK_COLUMNS,
    BLOCKS_HELD,
    CLUSTER_COLUMNS,
    COLLECTOR_COLUMNS,
    known_columns,
)
from spec.arch import ArchConfig
from spec.packet import Opcode
from sw.plan import LayerPlan
from sw.spans import escape_counts

__all__ = ["Moments", "PlannedParts", "Program", "plan_packets"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlannedParts:
    """Parts of a layer's blocks, pass by pass and cluster by cluster.

    Parameters
    ----------
    counts, first : ndarray of int64, shape (passes, C)
        Parts of a cluster, and which is the first.
    low, high, start : ndarray of int64, shape (parts,)
        As in ``Program``.
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


def plan_packets(
    plan: LayerPlan, parts: PlannedParts, tiles: int
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


class Program(NamedTuple):
    """A layer: its packets and jobs as ``run_layer`` takes them, and the parts of its blocks.

    Parameters
    ----------
    kinds, lengths, alike : ndarray of int64, shape (packets,)
        What a packet is, its payload words, and how many like it follow at once: tiles of the same pass.
    job_pass, totals : ndarray of int64, shape (jobs,)
        Pass of every job, and blocks of all clusters in it.
    counts, first : ndarray of int64, shape (passes, C)
        Parts of every cluster, and which is the first.
    low, high, start : ndarray of int64, shape (parts,)
        Vectors ``low`` to ``high`` - 1, none of an empty block, and the position that the part starts at.
    position, beats : ndarray of int64, shape (vectors,)
        Of the layer's vectors.
    advance_width : int
    """

    kinds: Ints
    lengths: Ints
    alike: Ints
    job_pass: Ints
    totals: Ints
    counts: Ints
    first: Ints
    low: Ints
    high: Ints
    start: Ints
    position: Ints
    beats: Ints
    advance_width: int

    @classmethod
    def of(
        cls, plan: LayerPlan, parts: "PlannedParts", sent: Sequence[tuple[Opcode, int]], tiles: int
    ) -> "Program":
        """Return the program of ``plan`` on so many tiles, whose packets are ``sent``."""
        kinds = np.array([PACKET_KINDS.get(opcode, PacketKind.OTHER) for opcode, _ in sent], np.int64)
        lengths = np.array([words for _, words in sent], np.int64)
        place = np.arange(len(sent))
        tile = (kinds[1:] == PacketKind.ACTIVATIONS) & (lengths[1:] == lengths[:-1])
        last = np.append(np.flatnonzero(~tile), len(sent) - 1)
        return cls(
            kinds=kinds,
            lengths=lengths,
            alike=last[np.searchsorted(last, place)] - place,
            job_pass=np.repeat(np.arange(len(parts.counts)), tiles),
            totals=np.repeat(parts.counts.sum(axis=1), tiles),
            counts=parts.counts,
            first=parts.first,
            low=parts.low,
            high=parts.high,
            start=parts.start,
            position=plan.segmented.position,
            beats=plan.segmented.beats,
            advance_width=plan.arch.advance_width,
        )


class Moments(NamedTuple):
    """Moments so far, of clusters, their latest blocks, vectors and offers, the collector, and jobs; and how
    every part started and ended when it was last multiplied. All begin at 0."""

    clusters: Ints
    blocks: Ints
    taken: Ints
    offers: Ints
    collector: Ints
    issued: Ints
    done: Ints
    ended: Ints
    known: Ints

    @classmethod
    def of(cls, program: Program, arch: ArchConfig) -> "Moments":
        """Return room for the moments of ``program`` on ``arch``."""
        jobs = len(program.job_pass)
        shapes: tuple[tuple[int, ...], ...] = (
            (arch.clusters, CLUSTER_COLUMNS),
            (arch.clusters, BLOCKS_HELD, BLOCK_COLUMNS),
            (arch.clusters, arch.queue_depth),
            (arch.clusters,),
            (COLLECTOR_COLUMNS,),
            (jobs,),
            (jobs,),
            (jobs,),
            (len(program.low), known_columns(arch.queue_depth)),
        )
        return cls(*(np.zeros(shape, np.int64) for shape in shapes))
