"""A layer as the event kernel takes it: its packets, its jobs, and the parts of its blocks."""

from collections.abc import Sequence
from typing import NamedTuple

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

__all__ = ["Moments", "Program", "plan_packets"]

Ints = NDArray[np.int64]


def plan_packets(plan: LayerPlan, tiles: int) -> tuple[list[tuple[Opcode, int]], list[tuple[Opcode, int]]]:
    """Opcode and payload words of every packet: those of the file, and those that are sent."""
    stored = list(plan.head_packets())
    sent = list(stored)
    parts = plan.parts
    held = (values.tolist() for values in (parts.chunk, parts.counts, parts.records, parts.beats))
    for chunk, *clusters in zip(*held, strict=True):
        weights = [(Opcode.PASS, 0)]
        for blocks, records, beats in zip(*clusters, strict=True):
            if blocks:
                weights += plan.weight_packets(blocks, records, beats)
        stored += weights
        sent += [*weights, *[(Opcode.ACTIVATIONS, plan.activation_words(chunk))] * tiles]
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
    def of(cls, plan: LayerPlan, sent: Sequence[tuple[Opcode, int]], tiles: int) -> "Program":
        """Return the program of ``plan`` on so many tiles, whose packets are ``sent``."""
        kinds = np.array([PACKET_KINDS.get(opcode, PacketKind.OTHER) for opcode, _ in sent], np.int64)
        lengths = np.array([words for _, words in sent], np.int64)
        parts, place = plan.parts, np.arange(len(sent))
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
            beats=plan.segmented.kept.beats,
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
