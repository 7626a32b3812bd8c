"""Requests of the host: judged, and their payload handed on byte by byte."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from boards.frame_receiver import FrameReceiver
from hw.memory import BlockMemory
from spec.link import CRC_BYTES, HEADER_BYTES, OFFSET_WIDTH, Kind

__all__ = ["LinkInput"]


class LinkInput(wiring.Component):
    """Keep what arrives only when its CRC, session and number are right.

    A payload goes into the queue while it arrives; its end moves only with an intact frame, so what was
    damaged is written over. A request that ends while ``busy`` is dropped: the reply to another is on its
    way.

    Parameters
    ----------
    depth : int
        Bytes of the queue, a power of two.

    Members
    -------
    line, line_valid : In
        A byte of the line.
    busy : In(1)
    request : Out(1)
        An intact request, for one cycle.
    kind : Out(8)
        ``Kind`` of the reply. Stable from ``request`` to the next, as are the next three.
    taken, room : Out(16)
        As the host said.
    session : Out(16)
        Of the board.
    connect : Out(1)
        Stands with ``request``: everything starts anew in the next cycle.
    expected, space : Out(16)
        Number of the next byte from the host, and how many there is room for.
    o : Out(stream.Signature(8))
        Bytes to the core, one per four cycles at most.
    """

    line: Signal
    line_valid: Signal
    busy: Signal
    request: Signal
    kind: Signal
    taken: Signal
    room: Signal
    session: Signal
    connect: Signal
    expected: Signal
    space: Signal
    o: stream.Interface

    def __init__(self, depth: int) -> None:
        self.depth: Final = depth
        super().__init__(
            {
                "line": In(8),
                "line_valid": In(1),
                "busy": In(1),
                "request": Out(1),
                "kind": Out(8),
                "taken": Out(OFFSET_WIDTH),
                "room": Out(OFFSET_WIDTH),
                "session": Out(16),
                "connect": Out(1),
                "expected": Out(OFFSET_WIDTH),
                "space": Out(OFFSET_WIDTH),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.frames = frames = FrameReceiver()
        m.submodules.queue = queue = BlockMemory(8, self.depth)
        header = Signal(8 * HEADER_BYTES, reset_less=True)
        count = Signal(range(HEADER_BYTES + CRC_BYTES + 1))
        fill, read = Signal(OFFSET_WIDTH), Signal(OFFSET_WIDTH)
        overflow, payload = Signal(), Signal()
        m.d.comb += [
            frames.line.eq(self.line),
            frames.line_valid.eq(self.line_valid),
            payload.eq(frames.valid & (count >= HEADER_BYTES)),
            queue.write_enable.eq(payload & ~overflow),
            queue.write_address.eq(fill),
            queue.write_data.eq(frames.payload),
            queue.read_address.eq(read),
            self.space.eq((read - self.expected + (self.depth - CRC_BYTES))[:OFFSET_WIDTH]),
        ]
        with m.If(frames.valid):
            with m.If(count < HEADER_BYTES):
                m.d.sync += header.eq(Cat(header[8:], frames.payload))
            with m.If(count < HEADER_BYTES + CRC_BYTES):
                m.d.sync += count.eq(count + 1)
        with m.If(payload):
            # `fill` runs one beyond the last free byte, then nothing is kept of this frame.
            with m.If((fill - read)[:OFFSET_WIDTH] == self.depth):
                m.d.sync += overflow.eq(1)
            with m.Else():
                m.d.sync += fill.eq(fill + 1)
        self._judge(m, frames, header, count, fill, overflow)
        self._hand_on(m, queue, read)
        with m.If(self.connect):
            m.d.sync += [fill.eq(0), read.eq(0), self.expected.eq(0)]
        return m

    def _judge(
        self, m: Module, frames: FrameReceiver, header: Signal, count: Signal, fill: Signal, overflow: Signal
    ) -> None:
        """Decide at the end of a frame what becomes of it."""
        names = ("session", "kind", "offset", "taken", "room")
        bits = {name: header[low : low + width] for name, low, width in _slices(names)}
        intact, ours, fits = Signal(), Signal(), Signal()
        m.d.comb += [
            intact.eq(frames.end & frames.intact & (count == HEADER_BYTES + CRC_BYTES) & ~self.busy),
            ours.eq((bits["session"] == self.session) & (bits["kind"] == Kind.DATA)),
            fits.eq(ours & (bits["offset"] == self.expected) & ~overflow),
            self.request.eq(intact),
            self.connect.eq(intact & (bits["kind"] == Kind.CONNECT)),
        ]
        with m.If(frames.end):
            m.d.sync += [count.eq(0), overflow.eq(0), fill.eq(self.expected)]
        with m.If(intact):
            m.d.sync += [
                self.kind.eq(Kind.STRANGER),
                self.taken.eq(bits["taken"]),
                self.room.eq(bits["room"]),
            ]
            with m.If(ours):
                m.d.sync += self.kind.eq(Kind.DATA)
            with m.If(fits):
                end = (fill - CRC_BYTES)[:OFFSET_WIDTH]
                m.d.sync += [self.expected.eq(end), fill.eq(end)]
            with m.If(self.connect):
                m.d.sync += [self.kind.eq(Kind.CONNECT), self.session.eq(bits["session"])]

    def _hand_on(self, m: Module, queue: BlockMemory, read: Signal) -> None:
        """Read one byte after the other, each as long as the memory takes."""
        age = Signal(range(BlockMemory.LATENCY + 1))
        m.d.comb += [self.o.payload.eq(queue.read_data), self.o.valid.eq(age == BlockMemory.LATENCY)]
        with m.If(self.connect | (read == self.expected)):
            m.d.sync += age.eq(0)
        with m.Elif(~self.o.valid):
            m.d.sync += age.eq(age + 1)
        with m.Elif(self.o.ready):
            m.d.sync += [read.eq(read + 1), age.eq(0)]


def _slices(names: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Name, lowest bit and width of every field of a header, which is 16 bits but for the kind."""
    found, low = [], 0
    for name in names:
        width = 8 if name == "kind" else OFFSET_WIDTH
        found.append((name, low, width))
        low += width
    return found
