"""A short queue in LUT RAM with a registered output."""

from typing import Final

from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import plain_memory

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out; the head sits in a register of its own.

    It never says that it is full: whoever sends holds a credit for each of ``depth`` entries, and
    ``i.ready`` is always 1. Latency ``LATENCY`` cycles through an empty queue; one entry per cycle in and
    out.

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

    i: stream.Interface
    o: stream.Interface
    clear: Signal

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape: Final = shape
        self.depth: Final = depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(Value.cast(self.i.payload))
        storage = plain_memory(width, self.depth, platform)
        m.submodules.storage = storage
        write, read = storage.write_port(), storage.read_port(domain="comb")
        # One bit more than an address needs, so that full and empty differ.
        head, tail = Signal(self.depth.bit_length()), Signal(self.depth.bit_length())
        head_payload = Signal(width, reset_less=True)
        empty, take, pop = Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq(head == tail),
            self.i.ready.eq(1),
            write.en.eq(self.i.valid),
            write.addr.eq(tail),
            write.data.eq(Value.cast(self.i.payload)),
            read.addr.eq(head),
            take.eq(~self.o.valid | self.o.ready),
            pop.eq(take & ~empty),
            Value.cast(self.o.payload).eq(head_payload),
        ]
        with m.If(write.en):
            m.d.sync += tail.eq(tail + 1)
        with m.If(take):
            m.d.sync += [self.o.valid.eq(~empty), head_payload.eq(read.data)]
        with m.If(pop):
            m.d.sync += head.eq(head + 1)
        with m.If(self.clear):
            m.d.sync += [head.eq(0), tail.eq(0), self.o.valid.eq(0)]
        return m
