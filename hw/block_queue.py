"""A queue in block RAM."""

from typing import Final

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5_memory import ecp5_memory
from hw.family import Family, family_of
from hw.memory import plain_memory

__all__ = ["BlockQueue"]


class BlockQueue(wiring.Component):
    """First in, first out, as ``Queue`` is, but a cycle longer: a block RAM has two registers on its way out.

    Both hold an entry while nobody takes the one in front, so entries leave as they leave a ``Queue`` whose
    input is delayed by a cycle. Latency ``LATENCY`` cycles through an empty queue; one entry per cycle in and
    out. It never says that it is full: whoever sends holds a credit for each of ``depth`` entries.

    Parameters
    ----------
    width : int
        Bits of an entry.
    depth : int
        Entries in the memory, a power of two; the registers hold two more.

    Members
    -------
    i : In(stream.Signature(width))
        ``ready`` is always 1.
    o : Out(stream.Signature(width))
    """

    LATENCY = 3

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int, depth: int) -> None:
        self.width: Final = width
        self.depth: Final = depth
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One bit more than an address needs, so that full and empty differ.
        head, tail = Signal(self.depth.bit_length()), Signal(self.depth.bit_length())
        empty, fetched, take, fetch = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq(head == tail),
            take.eq(~self.o.valid | self.o.ready),
            fetch.eq(~fetched | take),
            self.i.ready.eq(1),
            self.o.payload.eq(self._words(m, platform, tail, head, fetch, take)),
        ]
        with m.If(self.i.valid):
            m.d.sync += tail.eq(tail + 1)
        with m.If(fetch):
            m.d.sync += fetched.eq(~empty)
        with m.If(fetch & ~empty):
            m.d.sync += head.eq(head + 1)
        with m.If(take):
            m.d.sync += self.o.valid.eq(fetched)
        return m

    def _words(
        self, m: Module, platform: object, tail: Signal, head: Signal, fetch: Signal, take: Signal
    ) -> Value:
        """Return the entry two registers behind the memory; ``fetch`` moves one, ``take`` the other."""
        places = self.depth.bit_length() - 1
        if family_of(platform) is Family.ECP5:
            found = ecp5_memory(
                m,
                depth=self.depth,
                enable=self.i.valid,
                write_address=tail[:places],
                data=self.i.payload,
                read_address=head[:places],
                fetch=fetch,
                take=take,
            )
            if found is not None:
                return found
        words = plain_memory(self.width, self.depth, platform)
        m.submodules.words = words
        write, read = words.write_port(), words.read_port(domain="sync")
        entry, front = read.data, Signal(self.width, reset_less=True)
        m.d.comb += [
            write.en.eq(self.i.valid),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            read.en.eq(fetch),
            read.addr.eq(head),
        ]
        with m.If(take):
            m.d.sync += front.eq(entry)
        return front
