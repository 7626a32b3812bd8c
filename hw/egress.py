"""Egress: CRC words and the queue to the output stream."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.checksum import Checksum
from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import ItemKind
from spec.arch import ArchConfig

__all__ = ["Egress"]

_TRAILERS = (ItemKind.BLOCK_TRAILER, ItemKind.STATUS_TRAILER)
_HEADERS = (ItemKind.BLOCK_HEADER, ItemKind.STATUS_HEADER)


class Egress(wiring.Component):
    """Complete packets with their CRC and queue them.

    Latency ``LATENCY`` cycles; one word per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).
    depth : int
        Entries of the queue, a power of two.

    Members
    -------
    kind, word, emit : In
        From the split adder or the output stage. The sender has a credit for every item, so the queue never
        overflows.
    credit : Out(2)
        Items got rid of in the cycle before: left the queue, or were not for it.
    o : Out(stream.Signature(stream_width))
    """

    LATENCY = Checksum.LATENCY + Queue.LATENCY
    """As long as a CRC takes to cover a word, then the queue."""

    kind: enum.EnumView
    word: Signal
    emit: Signal
    credit: Signal
    o: stream.Interface

    def __init__(self, arch: ArchConfig, depth: int) -> None:
        self.arch: Final = arch
        self.depth: Final = depth
        super().__init__(
            {
                "kind": In(ItemKind),
                "word": In(arch.stream_width),
                "emit": In(1),
                "credit": Out(2),
                "o": Out(stream.Signature(arch.stream_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.stream_width
        m.submodules.queue = queue = Queue(width, self.depth)
        m.submodules.checksum = crc = Checksum(width)
        present, sent, dropped = Signal(), Signal(), Signal()
        trailer, wait = Signal(), Checksum.LATENCY - 1
        # A trailer comes a cycle behind its last word at least, so the CRC is there a cycle early.
        item = Mux(delay(m, trailer, wait, "trailer"), crc.crc, delay(m, self.word, wait, "word"))
        m.d.comb += [
            present.eq((self.kind != ItemKind.IDLE) & self.emit),
            trailer.eq(Cat(self.kind == kind for kind in _TRAILERS).any()),
            crc.start.eq(Cat(self.kind == kind for kind in _HEADERS).any()),
            crc.valid.eq(present & ~trailer),
            crc.data.eq(self.word),
            queue.i.valid.eq(delay(m, present, Checksum.LATENCY, "present", reset_less=False)),
            queue.i.payload.eq(delay(m, item, 1, "item")),
            self.o.valid.eq(queue.o.valid),
            self.o.payload.eq(queue.o.payload),
            queue.o.ready.eq(self.o.ready),
            sent.eq(self.o.valid & self.o.ready),
            dropped.eq((self.kind != ItemKind.IDLE) & ~self.emit),
        ]
        # Registered: nothing else depends on the outside's ready in the same cycle.
        m.d.sync += self.credit.eq(sent + dropped)
        return m
