"""A layer as the event kernel takes it: its packets, its jobs, and the parts of its blocks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_kernel import compiled
from codesign.cycle_registers import PacketKind
from codesign.event_kernel import (
    BLOCK_COLUMNS,
    BLOCKS_HELD,
    CLUSTER_COLUMNS,
    COLLECTOR_COLUMNS,
    known_columns,
)
from spec.arch import ArchConfig
from sw.plan import LayerPlan

__all__ = ["Moments", "Program"]

Ints = NDArray[np.int64]

_OTHER, _PASS, _ACTIVATIONS, _END = (int(kind) for kind in PacketKind)


@compiled
def _lay_packets(
    head: Ints, blocks: Ints, records: Ints, values: Ints, activations: Ints, tiles: int
) -> tuple[Ints, Ints, Ints]:
    """Packets in the order in which they are sent: kinds, lengths, and how many tiles follow each at once.

    ``head`` has the lengths of those before the first pass; ``blocks``, ``records`` and ``values``, shape
    (passes, C), those of a cluster, sent if it has blocks; ``activations`` that of a tile in every pass.
    """
    passes, clusters = blocks.shape
    most = len(head) + passes * (1 + 3 * clusters + tiles) + 1
    kinds, lengths = np.full(most, _OTHER, np.int64), np.zeros(most, np.int64)
    alike = np.zeros(most, np.int64)
    for packet in range(len(head)):
        lengths[packet] = head[packet]
    packet = len(head)
    for one in range(passes):
        kinds[packet] = _PASS
        packet += 1
        for cluster in range(clusters):
            if blocks[one, cluster]:
                lengths[packet] = blocks[one, cluster]
                lengths[packet + 1] = records[one, cluster]
                lengths[packet + 2] = values[one, cluster]
                packet += 3
        for tile in range(tiles):
            kinds[packet], lengths[packet] = _ACTIVATIONS, activations[one]
            alike[packet] = tiles - 1 - tile
            packet += 1
    kinds[packet] = _END
    return kinds[: packet + 1], lengths[: packet + 1], alike[: packet + 1]


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
    def of(cls, plan: LayerPlan, tiles: int) -> "Program":
        """Return the program of ``plan`` on so many tiles."""
        parts = plan.parts
        head = np.array([words for _, words in plan.head_packets()], np.int64)
        weights = plan.weight_words(parts.counts, parts.records, parts.beats)
        activations = np.array([plan.activation_words(chunk) for chunk in range(parts.chunk[-1] + 1)])
        kinds, lengths, alike = _lay_packets(head, *weights, activations[parts.chunk], tiles)
        return cls(
            kinds=kinds,
            lengths=lengths,
            alike=alike,
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
