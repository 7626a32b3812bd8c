"""A delay of many cycles in LUT RAM."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.memory import plain_memory

__all__ = ["DelayLine"]


class DelayLine(wiring.Component):
    """A word as it was ``cycles`` cycles before; a ring instead of a register per cycle.

    What comes out in the first ``cycles`` cycles after power-up is 0.

    Parameters
    ----------
    width : int
        Bits of a word.
    cycles : int
        At least 3.

    Members
    -------
    i, o : In, Out(width)
    """

    i: Signal
    o: Signal

    def __init__(self, width: int, cycles: int) -> None:
        self.width: Final = width
        self.cycles: Final = cycles
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The place that is written holds the word of a turn before; the register behind adds a cycle.
        turn = self.cycles - 1
        m.submodules.ring = ring = plain_memory(self.width, turn)
        write, read = ring.write_port(), ring.read_port(domain="comb")
        place, delayed = Signal(range(turn)), Signal(self.width, reset_less=True)
        m.d.comb += [
            write.en.eq(1),
            write.addr.eq(place),
            write.data.eq(self.i),
            read.addr.eq(place),
            self.o.eq(delayed),
        ]
        m.d.sync += [place.eq(Mux(place == turn - 1, 0, place + 1)), delayed.eq(read.data)]
        return m
