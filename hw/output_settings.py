"""Output settings: what a layer wants of its outputs, and the packets that say so."""

from typing import Final

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import delay
from hw.shapes import header_shape, mode_shape
from spec.arch import ArchConfig
from spec.packet import Opcode

__all__ = ["OutputSettings", "settings_shape"]


def settings_shape(arch: ArchConfig) -> data.StructLayout:
    """What the output stage is told.

    ``mode`` and ``zero_point`` are the layer's. ``restart``: a packet starts. ``parameters``, ``entries``:
    the word on the load bus belongs to REQUANTIZE, to TABLE.
    """
    return data.StructLayout(
        {
            "mode": mode_shape(),
            "zero_point": signed(arch.activation_width),
            "restart": 1,
            "parameters": 1,
            "entries": 1,
        }
    )


class OutputSettings(wiring.Component):
    """Keep mode and zero point; allow parameters before the first pass, and passes when all have come.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    header : In(header_shape())
        Of the packet under way.
    opened : In(1)
        It has just come.
    word_valid : In(1)
        A payload word of it is here; it is on the load bus in the next cycle.
    begin, next_pass, requantize, table : In(1)
        Pulse: it is complete and undamaged.
    settings : Out(settings_shape(arch))
    takes_parameters, takes_table : Out(1)
        REQUANTIZE, TABLE may come.
    complete : Out(1)
        Nothing is missing that the mode asks for.
    """

    header: data.View
    opened: Signal
    word_valid: Signal
    begin: Signal
    next_pass: Signal
    requantize: Signal
    table: Signal
    settings: data.View
    takes_parameters: Signal
    takes_table: Signal
    complete: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        pulses = ("opened", "word_valid", "begin", "next_pass", "requantize", "table")
        super().__init__(
            {
                "header": In(header_shape()),
                **{name: In(1) for name in pulses},
                "settings": Out(settings_shape(arch)),
                "takes_parameters": Out(1),
                "takes_table": Out(1),
                "complete": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings, mode = self.settings, self.settings.mode
        fresh = data.View(mode_shape(), self.header.cluster[: mode_shape().size])
        closed, scaled, tabled = Signal(init=1), Signal(), Signal()
        wants_table = mode.requantize & mode.table
        m.d.comb += [
            self.takes_parameters.eq(~closed & mode.requantize),
            self.takes_table.eq(~closed & wants_table),
            self.complete.eq((scaled | ~mode.requantize) & (tabled | ~wants_table)),
        ]
        with m.If(self.begin):
            m.d.sync += [mode.eq(fresh), closed.eq(0), scaled.eq(0), tabled.eq(0)]
        with m.If(self.next_pass):
            m.d.sync += closed.eq(1)
        with m.If(self.requantize):
            m.d.sync += [settings.zero_point.eq(self.header.argument), scaled.eq(1)]
        with m.If(self.table):
            m.d.sync += tabled.eq(1)
        m.d.comb += settings.restart.eq(self.opened)
        m.d.sync += [
            settings[field].eq(self.word_valid & delay(m, self.header.opcode == opcode, 1, field))
            for field, opcode in (("parameters", Opcode.REQUANTIZE), ("entries", Opcode.TABLE))
        ]
        return m
