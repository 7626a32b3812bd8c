"""The offline schedule: inputs to chunks, blocks to passes, blocks and their parts to clusters."""

from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.schedule import BlockPart, Pass, Schedule
from sw.limits import Limits
from sw.schedule_kernel import schedule_blocks
from sw.spans import KeptGroups

__all__ = ["LayerParts", "schedule_layer", "schedule_parts"]

Ints = NDArray[np.int64]


class LayerParts(NamedTuple):
    """A schedule as arrays. Parts go by pass and cluster, then by their order in the stream.

    Parameters
    ----------
    chunk_inputs : int
        As in ``Schedule``.
    chunk : ndarray of int64, shape (passes,)
    counts, first, records, beats : ndarray of int64, shape (passes, C)
        Of every cluster: its parts, the first of them, and what they take.
    block, start, stop : ndarray of int64, shape (parts,)
        Positions are those in the layer.
    low, high : ndarray of int64, shape (parts,)
        Vectors ``low`` to ``high`` - 1 of ``KeptGroups.places``, none of a part without any.
    slot, parts : ndarray of int64, shape (parts,)
        As in ``BlockPart``.
    """

    chunk_inputs: int
    chunk: Ints
    counts: Ints
    first: Ints
    records: Ints
    beats: Ints
    block: Ints
    start: Ints
    stop: Ints
    low: Ints
    high: Ints
    slot: Ints
    parts: Ints

    def schedule(self) -> Schedule:
        """Return the same as passes of block parts."""
        base = np.repeat(self.chunk * self.chunk_inputs, self.counts.sum(axis=1))
        columns = (self.block, self.start - base, self.stop - base, self.slot, self.parts)
        parts = map(BlockPart, *(column.tolist() for column in columns))
        return Schedule(
            self.chunk_inputs,
            tuple(
                Pass(chunk, tuple(tuple(islice(parts, count)) for count in counts))
                for chunk, counts in zip(self.chunk.tolist(), self.counts.tolist(), strict=True)
            ),
        )


def schedule_layer(
    kept: KeptGroups, arch: ArchConfig, *, name: str = "layer", whole: bool = False
) -> Schedule:
    """Return the schedule of a layer: that of ``schedule_parts``, whose parameters and errors it has."""
    return schedule_parts(kept, arch, name=name, whole=whole).schedule()


def schedule_parts(
    kept: KeptGroups, arch: ArchConfig, *, name: str = "layer", whole: bool = False
) -> LayerParts:
    """Return the schedule of a layer as arrays.

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
    vectors, limits = kept.vectors(arch), Limits.of(arch)
    beats, records, chunk, held, parts = schedule_blocks(vectors, limits, positions, chunk_inputs, whole)
    if beats or records:
        most = limits.record_capacity
        size = f"{records} records" if records > most else f"{beats} beats"
        parameter = "record_depth" if records > most else "value_depth"
        raise ConfigError(
            f"layer {name} is requantized, so each of its blocks must fit in one pass, but one has {size}; "
            f"raise `{parameter}`"
        )
    return LayerParts(chunk_inputs, chunk, *held, *parts)
