"""A short queue in LUT RAM with a registered output."""

from typing import Final

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import plain_memory

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
    credited : bool
        Whoever sends holds a credit for each of ``depth`` entries, so ``i.ready`` is always 1.

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

    def __init__(self, shape: ShapeLike, depth: int, *, credited: bool = False) -> None:
        self.shape: Final = shape
        self.depth: Final = depth
        self.credited: Final = credited
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
        storage = plain_memory(width, self.depth)
        m.submodules.storage = storage
        write, read = storage.write_port(), storage.read_port(domain="comb")
        # One bit more than an address needs, so that full and empty differ.
        head, tail = Signal(self.depth.bit_length()), Signal(self.depth.bit_length())
        head_payload = Signal(width, reset_less=True)
        empty, full, take, pop = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq(head == tail),
            self.i.ready.eq(~full),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(tail),
            write.data.eq(Value.cast(self.i.payload)),
            read.addr.eq(head),
            take.eq(~self.o.valid | self.o.ready),
            pop.eq(take & ~empty),
            Value.cast(self.o.payload).eq(head_payload),
        ]
        if not self.credited:
            # A flag, so that a write hangs on one register only.
            level = Signal(range(self.depth + 1))
            m.d.sync += [
                level.eq(Mux(self.clear, 0, level + write.en - pop)),
                full.eq(~self.clear & ~pop & Mux(write.en, level == self.depth - 1, full)),
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
