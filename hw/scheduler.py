"""Scheduler: which buffers are free, and when all work is done."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spec.arch import ArchConfig

__all__ = ["Scheduler"]


class Scheduler(wiring.Component):
    """Count jobs that clusters have still to finish, and answer when a bank may be overwritten.

    Jobs alternate between two activation banks and passes between two weight banks, so loading overlaps
    computing: a tile loads while the one before is multiplied, a pass while the last tiles of the one
    before are.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``clusters``.

    Members
    -------
    issue : In(1)
        Pulse: a job starts.
    next_pass : In(1)
        Pulse: later jobs use the other weight bank.
    done : In(clusters)
        Pulse per cluster: a job needs its activations and weights no more.
    collected : In(1)
        Pulse: the last psum of a job is on its way out.
    activations_free, weights_free, idle : Out
        Registered.
    active : Out(1)
        Some job is under way.
    busy : Out(clusters)
        The cluster has a job that is not done.
    """

    MAX_JOBS = 3
    """Jobs under way; one less than job numbers, so that numbers tell them apart."""

    issue: Signal
    next_pass: Signal
    done: Signal
    collected: Signal
    activations_free: Signal
    weights_free: Signal
    idle: Signal
    active: Signal
    busy: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "issue": In(1),
                "next_pass": In(1),
                "done": In(arch.clusters),
                "collected": In(1),
                "activations_free": Out(1),
                "weights_free": Out(1),
                "idle": Out(1),
                "active": Out(1),
                "busy": Out(arch.clusters),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        in_pass, uncollected = Signal(range(4)), Signal(range(self.MAX_JOBS + 1))
        waiting = [Signal(range(4), name=f"waiting_{n}") for n in range(self.arch.clusters)]
        for count, done in zip(waiting, self.done, strict=True):
            m.d.sync += count.eq(count + self.issue - done)
        with m.If(self.next_pass):
            m.d.sync += in_pass.eq(0)
        with m.Elif(self.issue & (in_pass != 3)):
            m.d.sync += in_pass.eq(in_pass + 1)
        m.d.sync += uncollected.eq(uncollected + self.issue - self.collected)
        m.d.sync += [
            self.activations_free.eq(
                Cat(count < 2 for count in waiting).all() & (uncollected < self.MAX_JOBS)
            ),
            # Jobs of the pass before the current one still use the bank that the next pass overwrites.
            self.weights_free.eq(Cat(count <= in_pass for count in waiting).all()),
            self.idle.eq(Cat(count == 0 for count in waiting).all() & (uncollected == 0)),
        ]
        m.d.comb += self.active.eq(uncollected != 0)
        m.d.comb += self.busy.eq(Cat(count != 0 for count in waiting))
        return m
