"""What an architecture has for the blocks of a pass."""

from typing import NamedTuple, Self

from spec.arch import ArchConfig

__all__ = ["Limits"]


class Limits(NamedTuple):
    """What of an architecture decides about the schedule of a chunk, as compiled code takes it.

    Parameters
    ----------
    clusters, groups, drain_cycles, value_depth, block_depth, split_slots : int
        As in ``ArchConfig``.
    collect_cycles : int
        Cycles in which the collect chain takes one part of a block from its cluster.
    record_capacity : int
        Records that one cluster holds in one pass.
    """

    clusters: int
    groups: int
    drain_cycles: int
    collect_cycles: int
    value_depth: int
    record_capacity: int
    block_depth: int
    split_slots: int

    @classmethod
    def of(cls, arch: ArchConfig) -> Self:
        """Return the limits of ``arch``."""
        return cls(
            clusters=arch.clusters,
            groups=arch.groups,
            drain_cycles=arch.drain_cycles,
            collect_cycles=arch.collect_cycles,
            value_depth=arch.value_depth,
            record_capacity=arch.record_depth * arch.stream_width // arch.record_width,
            block_depth=arch.block_depth,
            split_slots=arch.split_slots,
        )
