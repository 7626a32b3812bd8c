"""Patience: how long something may last."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Patience"]


class Patience(wiring.Component):
    """Count the cycles in a row of a condition. Assume ``kept`` of a sink; assert it of a component.

    Parameters
    ----------
    most : int
        Cycles in a row, at most.

    Members
    -------
    waits : In(1)
        The condition.
    waited : Out
        Cycles in a row before this one, ``most`` at most.
    kept : Out(1)
    """

    waits: Signal
    waited: Signal
    kept: Signal

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__({"waits": In(1), "waited": Out(range(most + 1)), "kept": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.kept.eq(~self.waits | (self.waited < self.most))
        with m.If(~self.waits):
            m.d.sync += self.waited.eq(0)
        with m.Elif(self.waited < self.most):
            m.d.sync += self.waited.eq(self.waited + 1)
        return m
