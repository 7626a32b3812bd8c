"""Tally: many wide counters in one LUT RAM, with one adder among them."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import plain_memory
from hw.pipeline import delay

__all__ = ["Tally"]


class Tally(wiring.Component):
    """Count in short registers of their own, and add those in turn to the wide counts in the memory.

    A count is visited every ``slots`` cycles, so its register holds what comes in as many. That takes a
    quarter of the logic of wide counters in registers, most of which is the choice of one to be read.

    Parameters
    ----------
    most : sequence of int
        Highest increment per cycle of every count.
    presets : mapping of int to int
        Where counts begin that do not begin at 0.
    width : int
        Bits of a count.

    Members
    -------
    begin : In(1)
        Pulse: counts begin anew with the increments of the next cycle.
    end : In(1)
        Pulse: the increments of this cycle are the last.
    increments : In(StructLayout)
        By number, as ``_0``, ``_1``…
    number : In
        Count to be read.
    complete : Out(1)
        Everything is added up: ``end`` was ``slots`` + 2 cycles ago.
    value : Out(width)
        Count ``number`` of the cycle before, while ``complete``, its first two cycles left out.
    """

    begin: Signal
    end: Signal
    increments: data.View
    number: Signal
    complete: Signal
    value: Signal

    def __init__(self, most: Sequence[int], presets: Mapping[int, int], width: int) -> None:
        self.most: Final = tuple(most)
        self.presets: Final = dict(presets)
        self.width: Final = width
        # A count is back in the memory in the third cycle after it is read.
        self.slots: Final = 1 << max((len(most) - 1).bit_length(), 2)
        super().__init__(
            {
                "begin": In(1),
                "end": In(1),
                "increments": In(data.StructLayout({f"_{n}": range(top + 1) for n, top in enumerate(most)})),
                "number": In(range(self.slots)),
                "complete": Out(1),
                "value": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slot, moving = Signal(range(self.slots)), Signal()
        # The same slot as a register each, that a choice among all counts is no way through multiplexers.
        turns = Signal(self.slots, init=1)
        m.d.comb += moving.eq(~self.complete)
        m.d.sync += [slot.eq(slot + 1), turns.eq(turns.rotate_left(1))]
        fresh = self._phases(m)
        short = self._count(m, turns)
        counts = plain_memory(self.width, self.slots, platform, lut_ram=True)
        m.submodules.counts = counts
        write, read = counts.write_port(), counts.read_port(domain="comb")
        # Three steps: read a count and choose what is added to it; add; write.
        found, total = (Signal(self.width, name=name, reset_less=True) for name in ("found", "total"))
        addend = Signal.like(short, name="addend", reset_less=True)
        starts, place, adds = Signal(reset_less=True), Signal.like(slot, name="place"), Signal()
        m.d.comb += read.addr.eq(Mux(moving, slot, self.number))
        m.d.sync += [found.eq(read.data), addend.eq(short), starts.eq(fresh), place.eq(slot), adds.eq(moving)]
        m.d.sync += total.eq((found & (~starts).replicate(self.width)) + addend)
        m.d.comb += [
            write.en.eq(delay(m, adds, 1, "writes", reset_less=False)),
            write.addr.eq(delay(m, place, 1, "written")),
            write.data.eq(total),
            self.value.eq(found),
        ]
        return m

    def _phases(self, m: Module) -> Signal:
        """Follow begin and end; return whether a visit is the first of its count since ``begin``.

        What the memory holds before is of no use, and a visit under way at ``begin`` is followed by another.
        """
        fresh, ended = Signal(), Signal()
        visits, left = Signal(range(self.slots)), Signal(range(self.slots + 2))
        with m.If(visits == self.slots - 1):
            m.d.sync += fresh.eq(0)
        m.d.sync += [visits.eq(visits + 1), left.eq(left - (left != 0))]
        m.d.sync += self.complete.eq(ended & (left <= 1))
        with m.If(self.end):
            m.d.sync += [ended.eq(1), left.eq(self.slots + 1), self.complete.eq(0)]
        with m.If(self.begin):
            m.d.sync += [fresh.eq(1), visits.eq(0), ended.eq(0), self.complete.eq(0)]
        return fresh

    def _count(self, m: Module, turns: Signal) -> Signal:
        """Count in short registers; return that whose turn it is, which begins anew."""
        shorts = []
        for n, top in enumerate(self.most):
            preset = self.presets.get(n, 0)
            short = Signal(range(top * self.slots + preset + 1), name=f"short_{n}", reset_less=True)
            m.d.sync += short.eq(Mux(turns[n], 0, short) + self.increments[f"_{n}"])
            with m.If(self.begin):
                m.d.sync += short.eq(preset)
            shorts.append(short)
        chosen = Signal(max(len(short) for short in shorts))
        m.d.comb += chosen.eq(reduce(or_, (Mux(turns[n], short, 0) for n, short in enumerate(shorts))))
        return chosen
