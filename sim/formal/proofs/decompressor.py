"""The decompressor: every job closed once, in order, and no vector without a credit."""

from typing import Any, Final

from amaranth.hdl import Cat, Module, Signal

from hw.decompressor import Decompressor
from hw.pipeline import delay
from hw.record_reader import RecordReader
from hw.shapes import JOB_WIDTH, LoadKind
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["DECOMPRESSOR"]

_ARCH: Final = ArchConfig(
    clusters=1,
    lanes=1,
    tokens=1,
    segment=1,
    advance_width=1,
    activation_depth=2,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
_JOBS: Final = 2
_PAUSE: Final = RecordReader.START_LATENCY + 1
"""Cycles at most in which nothing comes of a job and a credit: it is begun, and its first record is read."""


class DecompressorHarness(Harness):
    """Two jobs at most are under way; descriptors and records are anything, even too few."""

    def describe(self, m: Module) -> None:
        decompressor, load = self.component, self.component.load
        vector, valid = decompressor.o.payload, decompressor.o.valid
        self.suppose_no_reset(m)
        allowed = delay(m, decompressor.o.ready, 1, "allowed", reset_less=False)
        self.claim(m, "sends_for_a_credit", ~valid | allowed)
        runs = load.kind == LoadKind.RUN
        jobs = self.order(
            m,
            "jobs",
            (runs, Cat(load.address[: 1 + JOB_WIDTH], load.bank)),
            (valid & vector.last, Cat(vector.weight_bank, vector.job, vector.activation_bank)),
            most=_JOBS,
        )
        self.suppose(m, "jobs_wait", ~runs | (jobs.inside < _JOBS))
        self.claim(m, "vectors_of_a_job", ~valid | (jobs.inside != 0))
        self.claim(m, "live", ~valid | (vector.live == vector.bitmap))
        self.claim(
            m, "nothing_is_sent_for_an_escape", ~valid | vector.bitmap.any() | vector.end | vector.last
        )
        record: Any = self.interior.owner("decoder").o
        took = record.valid & record.ready
        self.within(m, "moves", _PAUSE, (jobs.inside != 0) & decompressor.o.ready & ~took & ~valid)
        ended = Signal()
        with m.If(valid):
            m.d.sync += ended.eq(vector.end)
        self.reach(m, "job_without_blocks", valid & vector.last & ~vector.end & (jobs.inside == 2))
        self.reach(m, "second_block", valid & vector.end & vector.bitmap.any() & ended & ~vector.last)


DECOMPRESSOR = Proof(
    subject=Decompressor,
    harness=lambda decompressor: DecompressorHarness(decompressor(_ARCH)),
    bug=Bug("slot.eq(count - pop)", "slot.eq(count)"),
    depth=15,
    cover=24,
)
