"""What the cycle model keeps from cycle to cycle: constants and registers, as NumPy record types."""

from enum import IntEnum
from typing import Final

import numpy as np

from spec.counters import Cause

__all__ = [
    "CLOSED_DEPTH",
    "CLUSTER",
    "CONTROL",
    "RETURNS",
    "RING",
    "TIMING",
    "Input",
    "PacketKind",
    "RecordKind",
]


class PacketKind(IntEnum):
    """What the packet reader waits for, and what a packet's commit does."""

    OTHER = 0
    PASS = 1
    ACTIVATIONS = 2
    END = 3


class Input(IntEnum):
    """What the packet reader does in a cycle."""

    LOADING = 0
    HELD = 1
    """A packet waits for a buffer, or for the jobs to end."""
    STARVED = 2
    """It would take a word, but none is offered."""


class RecordKind(IntEnum):
    """What a record makes the decompressor send."""

    ESCAPE = 0
    VECTOR = 1
    END = 2
    """A vector, perhaps without groups, that closes its block."""


RING: Final = 128
"""Vectors of a cluster remembered at once; more than pipeline and queue hold."""
RETURNS: Final = 512
"""Cycles ahead in which credits of the egress may come back: more than the collect chain is long."""
CLOSED_DEPTH: Final = 4
"""Closed blocks remembered at once; there are at most two, one per psum bank."""


def _record(*names: str) -> list[tuple[str, type[np.int64]]]:
    return [(name, np.int64) for name in names]


TIMING: Final = np.dtype(
    _record(
        # cycles from the decompressor's last idle cycle to its first record
        "start",
        # cycles from the last of a block's drain to its `ready` at the collector
        "drain_tail",
        # cycles from the collector's trailer to the job's end, less one per cluster
        "collect_tail",
        # cycles through the output stage, and through the egress queue
        *("stage", "egress"),
        # items that the egress has room for, and words of psums that leave as one of codes
        *("credits", "places"),
        # stream words of a header, and items of a block between its first and its trailer
        *("header_words", "block_items"),
        # cycles from a BEGIN's first word to its acceptance, as counters begin with them
        "begin_cycles",
        # psum rows of a block, and the cycles in which one is drained
        *("rows", "row_cycles"),
        # jobs that may be under way
        "max_jobs",
    )
)
"""Constants around the mirrored registers."""

CLUSTER: Final = np.dtype(
    [
        *_record(
            # decompressor: state, cycle of its job's start, next record and block, output register
            *("state", "since", "record", "block", "sent", "sent_entry", "entries", "jobs", "runs"),
            # zero skip: credits, pipeline, queue pointers, output register
            *("credits", "returned", "z1", "z2", "z3", "z4"),
            *("z1_entry", "z2_entry", "z3_entry", "z4_entry"),
            *("head", "tail", "queued", "queued_entry"),
            # beat issuer
            *("active", "left", "ends", "lasts", "job", "bank", "next_bank", "opens"),
            *("closed", "closed_job", "done"),
            # why it has no vector: what was so in the cycle before, and vectors dropped in the last two
            *("missing", "dropped_1", "dropped_2"),
            # closed blocks, drain, output buffer
            *("closed_head", "closed_tail", "closed_out", "closed_out_job", "drain", "row", "step"),
            *("steal", "release", "steal_bank", "drain_bank", "drain_job", "used"),
            # scheduler and collector
            *("waiting", "pending", "pending_0", "pending_1", "eligible", "answered", "skipped"),
            # at most two halves of the output buffer are under way to or from the collector
            *("ready_at", "ready_job", "ready_next", "ready_next_job", "free_at", "free_next"),
        ),
        *((name, np.int64, RING) for name in ("ring_live", "ring_end", "ring_last", "ring_job", "queue")),
        # of the psum banks
        ("busy", np.int64, 2),
        ("closed_jobs", np.int64, CLOSED_DEPTH),
        ("causes", np.int64, len(Cause)),
    ]
)
"""Registers of one cluster. Vectors are entries of the rings; ``…_entry`` is the number of one."""

CONTROL: Final = np.dtype(
    _record(
        # deframer: next word, both registers, whether words were offered in the last two cycles
        *("next_word", "held", "held_sync", "framed", "offered_1", "offered_2"),
        # packet reader: state, packet, words left, whether it takes one, what the cycle goes to; jobs issued
        *("reader", "packet", "left", "taking", "input", "issued"),
        # the layer: cycle before its first, and in which END came
        *("begin", "end"),
        # scheduler
        *("in_pass", "uncollected", "activations_free", "weights_free"),
        # loader
        *("saw_activations_free", "saw_weights_free"),
        # collector
        *("state", "word", "chosen", "current", "fetched", "emits"),
        # egress: credits, those under way to and fro, words sent and those that have left, a word that left
        # before it was there
        *("credits", "go", "spent", "returned", "sent", "gone", "early"),
        # counters
        *("compute_cycles", "busy_cycles", "loading_cycles", "draining_cycles", "starved_cycles", "last_out"),
    )
)
"""Registers shared by all clusters."""
