"""Performance counters: what DONE reports, and where the cycles of the accelerator and its clusters go."""

from enum import IntEnum
from typing import Final

from spec.arch import ArchConfig

__all__ = ["CLUSTER_CAUSES", "COUNTERS", "CYCLE_CAUSES", "STALL_FREE", "Cause", "counter_width"]

_MOST_WIDTH: Final = 48


class Cause(IntEnum):
    """What one cycle of one cluster goes to.

    A cluster itself says ``BEAT`` to ``SKIP``, or ``NONE``; whether it lacks a vector or a job, the scheduler
    knows.
    """

    NONE = 0
    BEAT = 1
    STEAL = 2
    DRAIN = 3
    OUTPUT = 4
    SKIP = 5
    VECTOR = 6
    IMBALANCE = 7


COUNTERS: Final[dict[str, str]] = {
    "compute_cycles": "cycles in which a job is under way",
    "load_cycles": "cycles in which the input stream moved a word, SYNC and STUFF included",
    "cycles": "first word of BEGIN in to last word of the last PSUMS or CODES out, or to END if that comes "
    "later",
    "skipped_beats": "beats left out because every activation they meet is 0",
    "busy_cycles": "cycles in which a cluster has a job",
    "loading_cycles": "cycles in which none has, and a packet is on its way in",
    "draining_cycles": "cycles in which none has, and a packet is held until outputs have left",
    "starved_cycles": "cycles in which none has, and the host sends nothing",
    "beats": "cluster cycles in which L weights are multiplied",
    "steal_cycles": "cluster cycles in which a beat gives way to the drain, which reads a row of psums",
    "drain_wait_cycles": "cluster cycles in which the next block waits for a psum bank to be drained",
    "output_wait_cycles": "the same, while the drain waits for room in the output buffer",
    "skip_wait_cycles": "cluster cycles without a vector because the one due met only zeros and was dropped",
    "vector_wait_cycles": "cluster cycles without a beat for another reason: start of a job or block, "
    "escape, block without beats",
    "imbalance_cycles": "cluster cycles without a job while another cluster has one",
}
"""Name and meaning, in the order of DONE's words."""

STALL_FREE: Final = ("load_cycles", "skipped_beats", "beats")
"""Counters that are the same whenever words come and go."""

CYCLE_CAUSES: Final = ("busy_cycles", "loading_cycles", "draining_cycles", "starved_cycles")
"""Counters that add up to ``cycles``."""

CLUSTER_CAUSES: Final = {
    Cause.BEAT: "beats",
    Cause.STEAL: "steal_cycles",
    Cause.DRAIN: "drain_wait_cycles",
    Cause.OUTPUT: "output_wait_cycles",
    Cause.SKIP: "skip_wait_cycles",
    Cause.VECTOR: "vector_wait_cycles",
    Cause.IMBALANCE: "imbalance_cycles",
}
"""Counters, summed over clusters, that add up to ``clusters`` times ``busy_cycles``."""


def counter_width(arch: ArchConfig) -> int:
    """Bits of a counter, which fits a word of the stream; it counts modulo two to that power."""
    return min(_MOST_WIDTH, arch.stream_width)
