"""Bytes of frames to bytes of the line."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from boards.crc import FrameChecksum
from spec.link import ESCAPE, ESCAPE_XOR, FLAG

__all__ = ["FrameSender", "frame_byte"]


def frame_byte() -> data.StructLayout:
    """A byte of a body, and whether it is the last before the CRC."""
    return data.StructLayout({"byte": 8, "last": 1})


class FrameSender(wiring.Component):
    """Put FLAG around bodies, ESCAPE into them and the CRC behind them.

    Members
    -------
    i : In(stream.Signature(frame_byte()))
    o : Out(stream.Signature(8))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(frame_byte())), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = FrameChecksum()
        byte, special, escaped, taken = Signal(8), Signal(), Signal(), Signal()
        m.d.comb += [
            special.eq((byte == FLAG) | (byte == ESCAPE)),
            checksum.payload.eq(self.i.payload.byte),
            checksum.valid.eq(self.i.valid & self.i.ready),
        ]

        def send(then: str) -> None:
            """Send ``byte``, in two bytes if need be; then go on."""
            m.d.comb += [
                self.o.valid.eq(1),
                self.o.payload.eq(byte),
                taken.eq(self.o.ready & (escaped | ~special)),
            ]
            with m.If(escaped):
                m.d.comb += self.o.payload.eq(byte ^ ESCAPE_XOR)
            with m.Elif(special):
                m.d.comb += self.o.payload.eq(ESCAPE)
            with m.If(self.o.ready):
                m.d.sync += escaped.eq(special & ~escaped)
            with m.If(taken):
                m.next = then

        with m.FSM():
            with m.State("open"):
                m.d.comb += [self.o.payload.eq(FLAG), self.o.valid.eq(self.i.valid), checksum.clear.eq(1)]
                with m.If(self.i.valid & self.o.ready):
                    m.next = "body"
            with m.State("body"):
                m.d.comb += byte.eq(self.i.payload.byte)
                with m.If(self.i.valid):
                    send("body")
                    m.d.comb += self.i.ready.eq(taken)
                    with m.If(taken & self.i.payload.last):
                        m.next = "high"
            with m.State("high"):
                m.d.comb += byte.eq(checksum.value[8:])
                send("low")
            with m.State("low"):
                m.d.comb += byte.eq(checksum.value[:8])
                send("close")
            with m.State("close"):
                m.d.comb += [self.o.payload.eq(FLAG), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.next = "open"
        return m
