"""Egress: CRC words and the queue to the output stream."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.block_queue import BlockQueue
from hw.checksum import Checksum
from hw.ecp5_memory import ecp5_block_rams
from hw.family import Family, family_of
from hw.pipeline import delay
from hw.queue import Queue
from hw.shapes import ItemKind
from spec.arch import ArchConfig

__all__ = ["Egress"]

_TRAILERS = (ItemKind.BLOCK_TRAILER, ItemKind.STATUS_TRAILER)
_HEADERS = (ItemKind.BLOCK_HEADER, ItemKind.STATUS_HEADER)
_LEAST_BLOCK_BITS: Final = 4096
"""Bits of a queue that takes block RAMs where these have registers of their own: four of them then do what
512 lookup tables would."""


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

    LATENCY = Checksum.LATENCY - 1 + BlockQueue.LATENCY
    """As long as a CRC takes to cover a word but for a cycle, then the queue."""

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

    @staticmethod
    def block_rams(arch: ArchConfig, depth: int) -> int:
        """Block RAMs that a queue of ``depth`` entries takes on ECP5, 0 if it is in LUT RAM."""
        if arch.stream_width * depth < _LEAST_BLOCK_BITS:
            return 0
        return ecp5_block_rams(arch.stream_width, depth) or 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = crc = self._checksum()
        present, sent, dropped = Signal(), Signal(), Signal()
        trailer, wait = Signal(), Checksum.LATENCY - 1
        # A trailer comes a cycle behind its last word at least, so the CRC is there a cycle early.
        ends, word = delay(m, trailer, wait, "trailer"), delay(m, Mux(trailer, 0, self.word), wait, "word")
        here, item = delay(m, present, wait, "present", reset_less=False), word | Mux(ends, crc.crc, 0)
        wiring.connect(m, self._queue(m, platform, here, item), wiring.flipped(self.o))
        m.d.comb += [
            present.eq((self.kind != ItemKind.IDLE) & self.emit),
            trailer.eq(Cat(self.kind == kind for kind in _TRAILERS).any()),
            crc.start.eq(Cat(self.kind == kind for kind in _HEADERS).any()),
            crc.valid.eq(present & ~trailer),
            crc.data.eq(self.word),
            sent.eq(self.o.valid & self.o.ready),
            dropped.eq((self.kind != ItemKind.IDLE) & ~self.emit),
        ]
        # Registered: nothing else depends on the outside's ready in the same cycle.
        m.d.sync += self.credit.eq(sent + dropped)
        return m

    def _checksum(self) -> Checksum:
        # From here a CRC has a long way to go, to block RAMs.
        return Checksum(self.arch.stream_width, direct=True)

    def _queue(self, m: Module, platform: object, present: Value, item: Value) -> stream.Interface:
        """Queue items; return where they leave, ``BlockQueue.LATENCY`` cycles later if nothing holds them."""
        width = self.arch.stream_width
        in_blocks = family_of(platform) is Family.ECP5 and self.block_rams(self.arch, self.depth)
        queue = BlockQueue(width, self.depth) if in_blocks else Queue(width, self.depth)
        m.submodules.queue = queue
        # What a block RAM takes longer, a register in front of LUT RAM does too.
        wait = BlockQueue.LATENCY - queue.LATENCY
        m.d.comb += [
            queue.i.valid.eq(delay(m, present, wait, "queued", reset_less=False)),
            queue.i.payload.eq(delay(m, item, wait, "item")),
        ]
        return queue.o
