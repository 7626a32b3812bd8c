"""Performance counters of one layer."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.packet_reader import PacketReader
from hw.pipeline import delay
from spec.arch import ArchConfig
from spec.packet import COUNTERS

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count from BEGIN on; ``values`` are in the order of ``spec.packet.COUNTERS``.

    ``cycles`` runs from the first word of BEGIN to the last word of the last psums; ``compute_cycles``
    are those in which a job is under way; ``load_cycles`` counts words of the input stream, of which one
    moves in a cycle at most; ``beats`` and ``skipped_beats`` are summed over all clusters.

    All is counted two cycles after it happens, so that the counters, which are wide and lie anywhere, hold
    nothing up.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``clusters`` and ``groups``.

    Members
    -------
    begin : In(1)
        The layer's BEGIN is accepted, ``BEGIN_CYCLES`` cycles after its first word if nothing held it.
    end : In(1)
        The layer's END is accepted: words that follow are not its own.
    active : In(1)
        A job is under way.
    words : In(2)
        Stream words taken in this cycle; a SYNC counts with the word behind it.
    psums_out : In(1)
        Pulse: the last word of a block has been accepted.
    beats, skipped : In
        Beats multiplied and beats spared in this cycle, by cluster.
    values : Out(ArrayLayout)
        ``WIDTH`` bits each.
    """

    WIDTH = 48
    BEGIN_WORDS = 3
    BEGIN_CYCLES = 5 + PacketReader.OVERHEAD

    begin: Signal
    end: Signal
    active: Signal
    words: Signal
    psums_out: Signal
    beats: Signal
    skipped: data.View
    values: data.View

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "begin": In(1),
                "end": In(1),
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
        # BEGIN is the only reset that counts.
        counters = {name: Signal(self.WIDTH, name=name, reset_less=True) for name in COUNTERS}
        total, ended = Signal(self.WIDTH, reset_less=True), Signal()
        clusters = self.arch.clusters
        beats = Signal(range(clusters + 1))
        skipped = Signal(range(clusters * self.arch.groups + 1))
        begin, end, psums_out = (
            delay(m, signal, 1, name, reset_less=False)
            for signal, name in ((self.begin, "begin"), (self.end, "end"), (self.psums_out, "psums_out"))
        )
        active = delay(m, self.active, 1, "active", reset_less=False)
        words = delay(m, self.words, 1, "words", reset_less=False)
        m.d.sync += [
            beats.eq(sum(self.beats[n] for n in range(clusters))),
            skipped.eq(sum(self.skipped[n] for n in range(clusters))),
            total.eq(total + 1),
            counters["compute_cycles"].eq(counters["compute_cycles"] + active),
            counters["load_cycles"].eq(counters["load_cycles"] + Mux(ended, 0, words)),
            counters["beats"].eq(counters["beats"] + beats),
            counters["skipped_beats"].eq(counters["skipped_beats"] + skipped),
        ]
        with m.If(psums_out):
            m.d.sync += counters["cycles"].eq(total + 1)
        with m.If(end):
            m.d.sync += ended.eq(1)
        with m.If(begin):
            m.d.sync += ended.eq(0)
            m.d.sync += [counter.eq(0) for counter in counters.values()]
            m.d.sync += [counters["load_cycles"].eq(self.BEGIN_WORDS), total.eq(self.BEGIN_CYCLES)]
        for n, name in enumerate(COUNTERS):
            m.d.comb += self.values[n].eq(counters[name])
        return m
