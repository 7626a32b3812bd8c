"""Bytes of the line to bytes of frames."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.crc import FrameChecksum
from spec.link import ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Take FLAG and ESCAPE out, and judge every body by its CRC.

    Latency 1 cycle. Bytes come at least three cycles apart.

    Members
    -------
    line, line_valid : In
        A byte of the line.
    payload, valid : Out
        A byte of a body, the CRC included.
    end : Out(1)
        A body is over, one cycle after its last byte at the earliest.
    intact : Out(1)
        Stands with ``end``: the CRC matches.
    """

    line: Signal
    line_valid: Signal
    payload: Signal
    valid: Signal
    end: Signal
    intact: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "line": In(8),
                "line_valid": In(1),
                "payload": Out(8),
                "valid": Out(1),
                "end": Out(1),
                "intact": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = FrameChecksum()
        escaped = Signal()
        m.d.comb += [
            checksum.payload.eq(self.payload),
            checksum.valid.eq(self.valid),
            checksum.clear.eq(self.end),
            self.intact.eq(checksum.value == 0),
        ]
        m.d.sync += [self.valid.eq(0), self.end.eq(0)]
        with m.If(self.line_valid):
            with m.If(self.line == FLAG):
                m.d.sync += [self.end.eq(1), escaped.eq(0)]
            with m.Elif(self.line == ESCAPE):
                m.d.sync += escaped.eq(1)
            with m.Else():
                flip = escaped.replicate(8) & ESCAPE_XOR
                m.d.sync += [self.payload.eq(self.line ^ flip), self.valid.eq(1), escaped.eq(0)]
        return m
