"""The drain tree: what one column gives out leaves as it is, a fixed time later."""

from typing import Final

from amaranth.hdl import Array, Module, Signal

from hw.drain_tree import DrainTree
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["DRAIN_TREE"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=6, psum_width=16)
_LATENCY: Final = 2
"""Levels of four inputs each that six columns take."""


class DrainTreeHarness(Harness):
    """One column at most gives out something; the solver says which, anew in every cycle."""

    def describe(self, m: Module) -> None:
        tree = self.component
        columns = [tree.captured[token] for token in range(_ARCH.tokens)]
        alone = [sum(column.bool() for column in columns) <= 1]
        self.suppose(m, "one_column", alone[0])
        given = Signal(_ARCH.psum_width)
        token = Signal(range(_ARCH.tokens))
        for number, column in enumerate(columns):
            with m.If(column != 0):
                m.d.comb += token.eq(number)
        m.d.comb += given.eq(Array(columns)[token])
        due = given
        for level in range(_LATENCY):
            later = Signal.like(given, name=f"due_{level}", reset_less=True)
            m.d.sync += later.eq(due)
            due = later
        self.claim(m, "in_its_place_and_time", tree.o == due)
        self.reach(m, "last_column", (tree.o == 0xABCD) & (token == _ARCH.tokens - 1) & (given == 0x1234))


DRAIN_TREE = Proof(
    subject=DrainTree,
    harness=lambda tree: DrainTreeHarness(tree(_ARCH)),
    bug=Bug("reduce(or_, words[n : n + _FAN_IN])", "reduce(or_, words[n : n + _FAN_IN - 1])"),
    depth=6,
    cover=6,
    induction=3,
)
