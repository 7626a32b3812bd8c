"""A short queue in LUT RAM with a registered output."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out; the head sits in a register of its own.

    Latency ``LATENCY`` cycles through an empty queue; one entry per cycle in and out.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.
    depth : int
        Entries in the memory, a power of two; the output register holds one more.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    clear : In(1)
        Forgets every entry at the end of the cycle.
    """

    LATENCY = 2

    def __init__(self, shape: object, depth: int) -> None:
        self.shape = shape
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),  # type: ignore[arg-type]
                "o": Out(stream.Signature(shape)),  # type: ignore[arg-type]
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(Value.cast(self.i.payload))
        storage = memory.Memory(shape=width, depth=self.depth, init=[], attrs={"no_rw_check": 1})
        m.submodules.storage = storage
        write, read = storage.write_port(), storage.read_port(domain="comb")
        # One bit more than an address needs, so that full and empty differ.
        head, tail = Signal(self.depth.bit_length()), Signal(self.depth.bit_length())
        head_payload = Signal(width, reset_less=True)
        empty, take = Signal(), Signal()
        m.d.comb += [
            empty.eq(head == tail),
            self.i.ready.eq((tail - head)[: len(head)] != self.depth),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(tail),
            write.data.eq(Value.cast(self.i.payload)),
            read.addr.eq(head),
            take.eq(~self.o.valid | self.o.ready),
            Value.cast(self.o.payload).eq(head_payload),
        ]
        with m.If(write.en):
            m.d.sync += tail.eq(tail + 1)
        with m.If(take):
            m.d.sync += [self.o.valid.eq(~empty), head_payload.eq(read.data)]
            with m.If(~empty):
                m.d.sync += head.eq(head + 1)
        with m.If(self.clear):
            m.d.sync += [head.eq(0), tail.eq(0), self.o.valid.eq(0)]
        return m
