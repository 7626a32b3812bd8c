"""Performance counters of one layer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from spec.arch import ArchConfig
from spec.packet import COUNTERS

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count from BEGIN on; ``values`` are in the order of ``spec.packet.COUNTERS``.

    ``cycles`` runs from the first word of BEGIN to the last word of the last psums; ``compute_cycles``
    are those in which a job is under way; ``load_cycles`` those in which the input stream moved a word.

    Members
    -------
    begin : In(1)
        The layer's BEGIN is accepted, ``BEGIN_CYCLES`` cycles after its first word if nothing held it.
    active, words, psums_out, beats, skipped : In
    values : Out
    """

    WIDTH = 48
    BEGIN_WORDS = 3
    BEGIN_CYCLES = 7

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "begin": In(1),
                "active": In(1),
                "words": In(2),
                "psums_out": In(1),
                "beats": In(arch.clusters),
                "skipped": In(data.ArrayLayout(range(arch.groups + 1), arch.clusters)),
                "values": Out(data.ArrayLayout(self.WIDTH, len(COUNTERS))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counters = {name: Signal(self.WIDTH, name=name) for name in COUNTERS}
        total = Signal(self.WIDTH)
        clusters = self.arch.clusters
        beats = Signal(range(clusters + 1))
        skipped = Signal(range(clusters * self.arch.groups + 1))
        m.d.sync += [
            beats.eq(sum(self.beats[n] for n in range(clusters))),
            skipped.eq(sum(self.skipped[n] for n in range(clusters))),
            total.eq(total + 1),
            counters["compute_cycles"].eq(counters["compute_cycles"] + self.active),
            counters["load_cycles"].eq(counters["load_cycles"] + self.words),
            counters["beats"].eq(counters["beats"] + beats),
            counters["skipped_beats"].eq(counters["skipped_beats"] + skipped),
        ]
        with m.If(self.psums_out):
            m.d.sync += counters["cycles"].eq(total + 1)
        with m.If(self.begin):
            m.d.sync += [counter.eq(0) for counter in counters.values()]
            m.d.sync += [counters["load_cycles"].eq(self.BEGIN_WORDS), total.eq(self.BEGIN_CYCLES)]
        for n, name in enumerate(COUNTERS):
            m.d.comb += self.values[n].eq(counters[name])
        return m
