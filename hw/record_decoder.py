"""What a record means: how far it advances and how many values it has."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import record_shape
from spec.arch import ArchConfig

__all__ = ["RecordDecoder", "decoded_shape"]


def decoded_shape(arch: ArchConfig) -> data.StructLayout:
    """A record taken apart.

    ``step`` is the distance from the vector or escape before; ``count`` the groups of ``bitmap``; an
    ``escape`` only advances; ``end`` closes the block.
    """
    return data.StructLayout(
        {
            "step": 2 * arch.advance_width + 1,
            "bitmap": arch.groups,
            "count": range(arch.groups + 1),
            "escape": 1,
            "end": 1,
        }
    )


class RecordDecoder(wiring.Component):
    """Decode a record a cycle ahead of its use, and make up ends when records run out.

    Latency ``LATENCY`` cycle; one record per cycle. ``i.ready`` follows ``o.ready`` combinationally.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    i : In(stream.Signature(record_shape(arch)))
    exhausted : In(1)
        There is no further record: empty ends follow.
    clear : In(1)
        Forgets the record at the end of the cycle.
    o : Out(stream.Signature(decoded_shape(arch)))
    """

    LATENCY = 1

    i: stream.Interface
    exhausted: Signal
    clear: Signal
    o: stream.Interface

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(record_shape(arch))),
                "exhausted": In(1),
                "clear": In(1),
                "o": Out(stream.Signature(decoded_shape(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, record = self.arch, self.i.payload
        bitmap, end, escape = Signal(arch.groups), Signal(), Signal()
        step = Signal(range((1 << arch.advance_width) + 1))
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            # A record that is there is never behind the last.
            bitmap.eq(Mux(self.i.valid, record.bitmap, 0)),
            end.eq(~self.i.valid | record.end),
            escape.eq(self.i.valid & ~record.end & (record.bitmap == 0)),
            step.eq(record.advance + 1),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | self.exhausted),
                self.o.payload.step.eq(Mux(escape, step << arch.advance_width, step)),
                self.o.payload.bitmap.eq(bitmap),
                self.o.payload.count.eq(sum(bitmap[n] for n in range(arch.groups))),
                self.o.payload.escape.eq(escape),
                self.o.payload.end.eq(end),
            ]
        with m.If(self.clear):
            m.d.sync += self.o.valid.eq(0)
        return m
