"""Where the psums of several columns meet on their way out."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Final

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from spec.arch import ArchConfig

__all__ = ["DrainTree"]

_FAN_IN: Final = 4
"""Inputs of a lookup table."""


class DrainTree(wiring.Component):
    """OR of what the columns give out, one of which at most is not 0 in any cycle.

    Latency ``latency(arch)`` cycles; L psums per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``lanes``, ``row_cycles`` (columns of a tree), ``psum_width`` (bits).

    Members
    -------
    captured : In(ArrayLayout)
        L psums per column.
    o : Out
        L psums, lane 0 lowest.
    """

    captured: data.View
    o: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        width = arch.lanes * arch.psum_width
        super().__init__({"captured": In(data.ArrayLayout(width, arch.row_cycles)), "o": Out(width)})

    @staticmethod
    def latency(arch: ArchConfig) -> int:
        """Cycles through the levels of the tree: one for every factor of ``_FAN_IN`` columns."""
        count, levels = arch.row_cycles, 0
        while count > 1:
            count, levels = -(-count // _FAN_IN), levels + 1
        return levels

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words: Sequence[Value] = [self.captured[token] for token in range(self.arch.row_cycles)]
        for level in range(self.latency(self.arch)):
            merged = []
            for n in range(0, len(words), _FAN_IN):
                word = Signal(len(self.o), name=f"word_{level}_{n // _FAN_IN}", reset_less=True)
                m.d.sync += word.eq(reduce(or_, words[n : n + _FAN_IN]))
                merged.append(word)
            words = merged
        m.d.comb += self.o.eq(words[0])
        return m
