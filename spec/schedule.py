"""The offline schedule: which cluster multiplies which part of which block in which pass."""

from dataclasses import dataclass

__all__ = ["BlockPart", "Pass", "Schedule"]


@dataclass(frozen=True)
class BlockPart:
    """Positions ``start`` to ``stop`` - 1 of one block, on one cluster.

    Parameters
    ----------
    block : int
        Number of the block: outputs ``block * B`` onwards, in grouped order.
    start, stop : int
        Positions (see ``spec.record``) inside the pass's chunk of inputs.
    slot : int
        Collector slot that sums the parts; 0 if there is only one.
    parts : int
        Parts the block is cut into in this pass; 1 if it is whole.
    """

    block: int
    start: int
    stop: int
    slot: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Pass:
    """Weights that are on chip together: for every cluster its parts in order.

    ``chunk`` numbers the range of inputs, ``chunk * Schedule.chunk_inputs`` onwards. Psums of several
    chunks of one block are added by the host.
    """

    chunk: int
    clusters: tuple[tuple[BlockPart, ...], ...]


@dataclass(frozen=True)
class Schedule:
    """The passes of one layer. ``chunk_inputs`` is a multiple of B, at most ``ArchConfig.max_inputs``."""

    chunk_inputs: int
    passes: tuple[Pass, ...]
