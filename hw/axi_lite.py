"""AXI4-Lite port: reads and writes of 32-bit registers."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.register_shapes import access_signature
from hw.register_slice import RegisterSlice
from spec.registers import BANK_BYTES

__all__ = ["ADDRESS_WIDTH", "AxiLite", "Response", "read_shape", "write_shape"]

ADDRESS_WIDTH = (BANK_BYTES - 1).bit_length()
"""Bits of a byte address; the two lowest are ignored."""


class Response(enum.Enum, shape=unsigned(2)):
    """BRESP and RRESP as the AXI specification codes them."""

    OKAY = 0
    SLVERR = 2


def write_shape() -> data.StructLayout:
    """WDATA and WSTRB."""
    return data.StructLayout({"data": 32, "bytes": 4})


def read_shape() -> data.StructLayout:
    """RDATA and RRESP."""
    return data.StructLayout({"data": 32, "response": Response})


class AxiLite(wiring.Component):
    """Turn the five channels into accesses, one read and one write per cycle at most.

    Address and data of a write may come in any order. Every output is a register; ``b`` and ``r`` do not
    wait for their ready. Where there is no register, or none to write, the response is SLVERR. Latency 2
    cycles from ``ar`` to ``r``, and from the later of ``aw`` and ``w`` to ``b``.

    Members
    -------
    aw, ar : In(stream.Signature(ADDRESS_WIDTH))
    w : In(stream.Signature(write_shape()))
    b : Out(stream.Signature(Response))
    r : Out(stream.Signature(read_shape()))
    access : Out(access_signature())
    """

    aw: stream.Interface
    ar: stream.Interface
    w: stream.Interface
    b: stream.Interface
    r: stream.Interface
    access: wiring.PureInterface

    def __init__(self) -> None:
        super().__init__(
            {
                "aw": In(stream.Signature(ADDRESS_WIDTH)),
                "ar": In(stream.Signature(ADDRESS_WIDTH)),
                "w": In(stream.Signature(write_shape())),
                "b": Out(stream.Signature(Response)),
                "r": Out(stream.Signature(read_shape())),
                "access": Out(access_signature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access: Any = self.access
        m.submodules.aw = aw = RegisterSlice(ADDRESS_WIDTH)
        m.submodules.ar = ar = RegisterSlice(ADDRESS_WIDTH)
        m.submodules.w = w = RegisterSlice(write_shape())
        for channel, slice_ in ((self.aw, aw), (self.ar, ar), (self.w, w)):
            wiring.connect(m, wiring.flipped(channel), slice_.i)
        write, read = Signal(), Signal()
        m.d.comb += [
            write.eq(aw.o.valid & w.o.valid & (~self.b.valid | self.b.ready)),
            read.eq(ar.o.valid & (~self.r.valid | self.r.ready)),
            aw.o.ready.eq(write),
            w.o.ready.eq(write),
            ar.o.ready.eq(read),
            access.write.eq(write),
            access.write_address.eq(aw.o.payload[2:]),
            access.write_data.eq(w.o.payload.data),
            access.write_bytes.eq(w.o.payload.bytes),
            access.read.eq(read),
            access.read_address.eq(ar.o.payload[2:]),
        ]
        with m.If(self.b.ready):
            m.d.sync += self.b.valid.eq(0)
        with m.If(write):
            m.d.sync += self.b.valid.eq(1)
            m.d.sync += self.b.payload.eq(Mux(access.write_known, Response.OKAY, Response.SLVERR))
        with m.If(self.r.ready):
            m.d.sync += self.r.valid.eq(0)
        with m.If(read):
            m.d.sync += [self.r.valid.eq(1), self.r.payload.data.eq(access.read_data)]
            m.d.sync += self.r.payload.response.eq(Mux(access.read_known, Response.OKAY, Response.SLVERR))
        return m
