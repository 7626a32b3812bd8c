"""Performance counters of one layer."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.packet_reader import PacketReader
from hw.pipeline import delay
from hw.tally import Tally
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, COUNTERS, Cause, counter_width

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count from BEGIN on what ``spec.counters.COUNTERS`` says, and give out one counter at a time.

    Events take some cycles to their counter, so that counters, which lie anywhere, hold nothing up. For the
    same reason ``over``, which comes ``OVER_LATENCY`` cycles after a layer's last psums left, still keeps the
    cycles since then out.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``clusters`` and ``groups``.

    Members
    -------
    begin : In(1)
        The layer's BEGIN is accepted, ``begin_cycles`` after its first word if nothing held it.
    end : In(1)
        The layer's END is accepted: words that follow are not its own.
    over : In(1)
        END has come and nothing is under way: only words are still counted, until the next BEGIN.
    active : In(1)
        A job is under way.
    words : In(2)
        Stream words taken in this cycle; a SYNC counts with the word behind it.
    held, starved : In(1)
        A packet waits for a buffer or for the end of jobs; the host sends nothing.
    busy : In(clusters)
        The cluster has a job.
    activity : In(ArrayLayout(Cause))
        What each cluster did in the cycle before.
    skipped : In
        Beats spared in this cycle, by cluster.
    number : In
        Place in ``COUNTERS`` of the counter to be read.
    complete : Out(1)
        ``end`` is long enough ago that counters can be read.
    value : Out(counter_width(arch))
        Counter ``number`` of the cycle before.
    """

    OVER_LATENCY = 3
    LATENCY = 3
    """Cycles from ``words`` and ``active`` to their counters; of ``activity`` and ``skipped`` one less."""

    begin: Signal
    end: Signal
    over: Signal
    active: Signal
    words: Signal
    held: Signal
    starved: Signal
    busy: Signal
    activity: data.View
    skipped: data.View
    number: Signal
    complete: Signal
    value: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "begin": In(1),
                "end": In(1),
                "over": In(1),
                "active": In(1),
                "words": In(2),
                "held": In(1),
                "starved": In(1),
                "busy": In(arch.clusters),
                "activity": In(data.ArrayLayout(Cause, arch.clusters)),
                "skipped": In(data.ArrayLayout(range(arch.groups + 1), arch.clusters)),
                "number": In(range(len(COUNTERS))),
                "complete": Out(1),
                "value": Out(counter_width(arch)),
            }
        )

    @staticmethod
    def begin_cycles(arch: ArchConfig) -> int:
        """Cycles from the first word of BEGIN to its acceptance."""
        return arch.header_words + 4 + PacketReader.OVERHEAD

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clusters = self.arch.clusters
        most = dict.fromkeys(COUNTERS, 1)
        most |= dict.fromkeys(CLUSTER_CAUSES.values(), clusters)
        most |= {"load_cycles": 2, "skipped_beats": clusters * self.arch.groups}
        presets = {"load_cycles": self.arch.frame_words}
        presets |= dict.fromkeys(("cycles", "loading_cycles"), self.begin_cycles(self.arch))
        places = {name: place for place, name in enumerate(COUNTERS)}
        m.submodules.tally = tally = Tally(
            list(most.values()),
            {places[name]: preset for name, preset in presets.items()},
            counter_width(self.arch),
        )
        begin, end = (
            delay(m, signal, self.LATENCY, name, reset_less=False)
            for signal, name in ((self.begin, "begin"), (self.end, "end"))
        )
        m.d.comb += [tally.begin.eq(begin), tally.end.eq(end), tally.number.eq(self.number)]
        m.d.comb += [self.complete.eq(tally.complete), self.value.eq(tally.value)]
        over = Signal()
        m.d.sync += over.eq((over | self.over) & ~self.begin)
        closed = over | self.over
        events = self._words(m) | self._causes(m)
        for name, place in places.items():
            counted = Signal.like(tally.increments[f"_{place}"], name=f"{name}_now")
            m.d.sync += counted.eq(events[name] if name == "load_cycles" else Mux(closed, 0, events[name]))
            m.d.comb += tally.increments[f"_{place}"].eq(counted)
        return m

    def _words(self, m: Module) -> dict[str, Value]:
        """What happens at the streams, a cycle before it is counted."""
        ended = Signal()
        with m.If(self.end):
            m.d.sync += ended.eq(1)
        with m.If(self.begin):
            m.d.sync += ended.eq(0)
        words = delay(m, Mux(ended, 0, self.words), self.LATENCY - 1, "words", reset_less=False)
        active = delay(m, self.active, self.LATENCY - 1, "active", reset_less=False)
        skipped = delay(m, self.skipped, 1, "skipped", reset_less=False)
        width = len(self.skipped[0])
        spared = sum(skipped.word_select(n, width) for n in range(self.arch.clusters))
        return {"load_cycles": words, "compute_cycles": active, "skipped_beats": Value.cast(spared)}

    def _causes(self, m: Module) -> dict[str, Value]:
        """What the cycle went to, of the accelerator and of every cluster."""
        clusters, busy = range(self.arch.clusters), self.busy.any()
        held, starved = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in ((self.held, "held"), (self.starved, "starved"))
        )
        idle = ~busy
        alone = {
            "busy_cycles": busy,
            "draining_cycles": idle & held,
            "starved_cycles": idle & starved,
            "loading_cycles": idle & ~held & ~starved,
        }
        events = {name: delay(m, event, 1, name, reset_less=False) for name, event in alone.items()}
        for cause, name in CLUSTER_CAUSES.items():
            match cause:
                case Cause.VECTOR:
                    hits = [self.busy[n] & (self.activity[n] == Cause.NONE) for n in clusters]
                case Cause.IMBALANCE:
                    hits = [busy & ~self.busy[n] for n in clusters]
                case _:
                    hits = [self.activity[n] == cause for n in clusters]
            seen = delay(m, Cat(hits), 1, name, reset_less=False)
            events[name] = Value.cast(sum(seen[n] for n in clusters))
        return events | {"cycles": Value.cast(1)}
