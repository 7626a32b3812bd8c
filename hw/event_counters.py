"""Free-running counters of what passes the core's ports."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.register_shapes import counts_shape
from spec.registers import COUNTER_WIDTH, EVENTS

__all__ = ["EventCounters"]


class EventCounters(wiring.Component):
    """Count one event per counter and cycle; they wrap around and are never stopped.

    Latency ``LATENCY`` cycles from an event to its count.

    Members
    -------
    events : In(number of events)
        One bit per event of ``spec.registers.EVENTS``.
    counts : Out(counts_shape())
    """

    LATENCY = 2

    events: Signal
    counts: data.View

    def __init__(self) -> None:
        super().__init__({"events": In(len(EVENTS)), "counts": Out(counts_shape())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A register of their own: events end long paths, and the counters begin one.
        seen = Signal(len(EVENTS))
        m.d.sync += seen.eq(self.events)
        for number, event in enumerate(EVENTS):
            count = Signal(COUNTER_WIDTH, name=event.name)
            m.d.sync += count.eq(count + seen[number])
            m.d.comb += self.counts[number].eq(count)
        return m
