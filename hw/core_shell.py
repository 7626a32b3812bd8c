"""Core shell: the core, its soft reset, and what can be told of it from outside."""

from typing import Any, Final

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.accelerator import Accelerator
from hw.begin_watch import BeginWatch
from hw.event_counters import EventCounters
from hw.instance import place
from hw.packet_watch import PacketWatch
from hw.register_shapes import answer_shape, control_shape, counts_shape, status_shape
from spec.arch import ArchConfig
from spec.registers import EVENTS

__all__ = ["CoreShell"]


class CoreShell(wiring.Component):
    """Put around the core what the registers show, whatever the bus.

    The streams pass without a cycle of latency. ``o.payload.last`` follows ``PacketWatch``.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    i : In(stream.Signature(stream_width))
    o : Out(stream.Signature(answer_shape(stream_width)))
    control : In(control_shape())
    unfinished : In(1)
        The core stays in reset as long as this is 1, once it is there.
    held : Out(1)
        The core is in reset, and so is the first cycle after reset; both streams stand still.
    status : Out(status_shape())
        What can be seen at the core's ports; other fields are 0.
    counts : Out(counts_shape())
    """

    i: stream.Interface
    o: stream.Interface
    control: data.View
    unfinished: Signal
    held: Signal
    status: data.View
    counts: data.View

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(arch.stream_width)),
                "o": Out(stream.Signature(answer_shape(arch.stream_width))),
                "control": In(control_shape()),
                "unfinished": In(1),
                "held": Out(1),
                "status": Out(status_shape()),
                "counts": Out(counts_shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.core = ClockDomain("core", local=True)
        held = Signal(init=1)
        m.d.sync += held.eq(self.control.reset | (held & self.unfinished))
        m.d.comb += [
            self.held.eq(held),
            ClockSignal("core").eq(ClockSignal()),
            ResetSignal("core").eq(held),
        ]

        instance, core = place(Accelerator.MODULE, "core", Accelerator.members(self.arch))
        m.submodules.core = DomainRenamer("core")(instance)
        m.submodules.begin_watch = begin_watch = DomainRenamer("core")(BeginWatch(self.arch))
        m.submodules.packet_watch = packet_watch = DomainRenamer("core")(PacketWatch(self.arch))
        taken, left = Signal(), Signal()
        m.d.comb += [
            core.i.valid.eq(self.i.valid & ~self.held),
            core.i.payload.eq(self.i.payload),
            self.i.ready.eq(core.i.ready & ~self.held),
            self.o.valid.eq(core.o.valid & ~self.held),
            self.o.payload.word.eq(core.o.payload),
            self.o.payload.last.eq(packet_watch.last),
            core.o.ready.eq(self.o.ready & ~self.held),
            taken.eq(core.i.valid & core.i.ready),
            left.eq(self.o.valid & self.o.ready),
            begin_watch.word.eq(core.i.payload),
            begin_watch.moved.eq(taken),
            packet_watch.word.eq(core.o.payload),
            packet_watch.moved.eq(left),
            packet_watch.every_packet.eq(self.control.every_packet),
        ]
        self._observe(m, begin_watch, packet_watch, taken, left)
        return m

    def _observe(self, m: Module, begin_watch: Any, packet_watch: Any, taken: Signal, left: Signal) -> None:
        """Status and counters."""
        m.submodules.counters = counters = EventCounters()
        # One layer runs and the BEGIN of the next one waits; a third cannot enter.
        layers = Signal(2)
        stalled, waiting = Signal(), Signal()
        events = {
            "words_in": taken,
            "words_out": left,
            "cycles": Const(1),
            "input_stalled_cycles": stalled,
            "output_stalled_cycles": waiting,
            "packets_out": packet_watch.packet,
            "errors": packet_watch.failed,
        }
        with m.If(begin_watch.begin & ~packet_watch.answered & (layers != 3)):
            m.d.core += layers.eq(layers + 1)
        with m.If(packet_watch.answered & ~begin_watch.begin & (layers != 0)):
            m.d.core += layers.eq(layers - 1)
        m.d.comb += [
            stalled.eq(self.i.valid & ~self.i.ready),
            waiting.eq(self.o.valid & ~self.o.ready),
            counters.events.eq(Cat(events[event.name] for event in EVENTS)),
            self.counts.as_value().eq(counters.counts.as_value()),
            self.status.error.eq(packet_watch.code),
            self.status.busy.eq(layers != 0),
            self.status.in_reset.eq(self.held),
            self.status.input_stalled.eq(stalled),
            self.status.output_waiting.eq(waiting),
        ]
