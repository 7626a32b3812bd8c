"""Bytes of frames to bytes of the line."""

from amaranth.hdl import Module, Mux, Signal
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
        # Either a FLAG is offered, or a byte, which takes two bytes of the line if it is a special one.
        flag, offer, byte = Signal(), Signal(), Signal(8)
        taken = self._send(m, flag, offer, byte)
        m.d.comb += [
            checksum.payload.eq(self.i.payload.byte),
            checksum.valid.eq(self.i.valid & self.i.ready),
        ]
        with m.FSM():
            with m.State("open"):
                m.d.comb += [flag.eq(self.i.valid), checksum.clear.eq(1)]
                with m.If(self.i.valid & self.o.ready):
                    m.next = "body"
            with m.State("body"):
                m.d.comb += [byte.eq(self.i.payload.byte), offer.eq(self.i.valid), self.i.ready.eq(taken)]
                with m.If(taken & self.i.payload.last):
                    m.next = "high"
            with m.State("high"):
                m.d.comb += [byte.eq(checksum.value[8:]), offer.eq(1)]
                with m.If(taken):
                    m.next = "low"
            with m.State("low"):
                m.d.comb += [byte.eq(checksum.value[:8]), offer.eq(1)]
                with m.If(taken):
                    m.next = "close"
            with m.State("close"):
                m.d.comb += flag.eq(1)
                with m.If(self.o.ready):
                    m.next = "open"
        return m

    def _send(self, m: Module, flag: Signal, offer: Signal, byte: Signal) -> Signal:
        """Put what is offered on the line; return whether all of ``byte`` is taken."""
        special, escaped, taken = Signal(), Signal(), Signal()
        unescaped = Mux(special, ESCAPE, byte)
        m.d.comb += [
            special.eq((byte == FLAG) | (byte == ESCAPE)),
            self.o.valid.eq(flag | offer),
            self.o.payload.eq(Mux(flag, FLAG, Mux(escaped, byte ^ ESCAPE_XOR, unescaped))),
            taken.eq(offer & self.o.ready & (escaped | ~special)),
        ]
        with m.If(offer & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        return taken
