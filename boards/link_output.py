"""Replies of the board, with the bytes that the host has not yet."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from boards.frame_sender import FrameSender
from hw.memory import BlockMemory
from spec.link import HEADER_BYTES, OFFSET_WIDTH, Identity, Kind

__all__ = ["LinkOutput"]

_READY: Final = BlockMemory.LATENCY + 1
"""Cycles from a position to its byte in the register."""


class LinkOutput(wiring.Component):
    """Keep bytes of the core until the host has them, and send them as often as it asks.

    Parameters
    ----------
    depth : int
        Bytes of the queue, a power of two.
    identity : Identity
        The payload of the reply to CONNECT.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes of the core.
    request, kind, taken, room, session, connect, expected, space : In
        See ``LinkInput``.
    busy : Out(1)
        A reply is on its way, from the cycle after ``request``.
    o : Out(stream.Signature(8))
        Bytes of the line.
    """

    i: stream.Interface
    request: Signal
    kind: Signal
    taken: Signal
    room: Signal
    session: Signal
    connect: Signal
    expected: Signal
    space: Signal
    busy: Signal
    o: stream.Interface

    def __init__(self, depth: int, identity: Identity) -> None:
        self.depth: Final = depth
        self.identity: Final = identity
        words = ("taken", "room", "session", "expected", "space")
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "request": In(1),
                "kind": In(8),
                "connect": In(1),
                **{name: In(OFFSET_WIDTH) for name in words},
                "busy": Out(1),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sender = sender = FrameSender()
        m.submodules.queue = queue = BlockMemory(8, self.depth)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        head, base = Signal(OFFSET_WIDTH), Signal(OFFSET_WIDTH)
        longest = max(self.depth, len(self.identity.encode()))
        position = Signal(range(longest + 1))
        m.d.comb += [
            self.i.ready.eq((head - base)[:OFFSET_WIDTH] != self.depth),
            queue.write_enable.eq(self.i.valid & self.i.ready),
            queue.write_address.eq(head),
            queue.write_data.eq(self.i.payload),
            queue.read_address.eq(base + position),
        ]
        with m.If(queue.write_enable):
            m.d.sync += head.eq(head + 1)
        self._reply(m, sender, queue, head, base, position)
        with m.If(self.connect):
            m.d.sync += [head.eq(0), base.eq(0)]
        return m

    def _reply(
        self,
        m: Module,
        sender: FrameSender,
        queue: BlockMemory,
        head: Signal,
        base: Signal,
        position: Signal,
    ) -> None:
        """Acknowledge, then header and payload, one byte after the other."""
        held, given = (
            Signal(range(self.depth + 1), name=name, reset_less=True) for name in ("held", "given")
        )
        room, count = Signal(OFFSET_WIDTH, reset_less=True), Signal(OFFSET_WIDTH, reset_less=True)
        header = Cat(self.session, self.kind, base, self.expected, room)
        told = self._identity(m, position)
        parts = _Parts(header, Mux(self.kind == Kind.CONNECT, told, queue.read_data), position, count)
        m.d.comb += self.busy.eq(1)
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.request):
                    m.next = "measure"
            with m.State("measure"):
                m.d.sync += [held.eq(head - base), given.eq(self.taken - base), room.eq(self.space)]
                m.d.sync += position.eq(0)
                m.next = "acknowledge"
            with m.State("acknowledge"):
                # What was acknowledged before, or cannot be, leaves everything as it is.
                known = (self.taken - base)[:OFFSET_WIDTH] == given
                m.d.sync += count.eq(held)
                with m.If((self.kind == Kind.DATA) & known & (given <= held)):
                    m.d.sync += [base.eq(self.taken), count.eq(held - given)]
                m.next = "limit"
            with m.State("limit"):
                m.d.sync += count.eq(Mux(count < self.room, count, self.room))
                with m.If(self.kind == Kind.CONNECT):
                    m.d.sync += count.eq(len(self.identity.encode()))
                with m.If(self.kind == Kind.STRANGER):
                    m.d.sync += count.eq(0)
                m.next = "header"
            with m.State("header"):
                self._send(m, sender, parts, "payload")
            with m.State("payload"):
                self._send(m, sender, parts, "idle")

    def _identity(self, m: Module, position: Signal) -> Value:
        """Return the byte of the identity at ``position``, a cycle later.

        From a block RAM: chosen by gates, these bytes take more of them than the rest of the reply.
        """
        told = self.identity.encode()
        identity: memory.Memory = memory.Memory(
            shape=8, depth=len(told), init=told, attrs={"rom_style": "block"}
        )
        m.submodules.identity = identity
        read = identity.read_port()
        m.d.comb += read.addr.eq(position)
        byte: Value = read.data
        return byte

    def _send(self, m: Module, sender: FrameSender, parts: "_Parts", then: str) -> None:
        """Send the header, before ``payload``, or the payload, before ``idle``; then go on.

        A byte is chosen in a register of its own, since many choices make a long path.
        """
        position, count, age = parts.position, parts.count, parts.age
        chosen, final = Signal(8), Signal()
        m.d.sync += [parts.byte.eq(chosen), parts.final.eq(final), parts.none.eq(count == 0)]
        if then == "payload":
            m.d.comb += chosen.eq(parts.header.word_select(position[:4], 8))
            m.d.comb += final.eq(position == HEADER_BYTES - 1)
        else:
            m.d.comb += [chosen.eq(parts.payload), final.eq(position == count - 1)]
        m.d.comb += [
            sender.i.payload.byte.eq(parts.byte),
            sender.i.payload.last.eq(parts.final & (parts.none if then == "payload" else 1)),
            sender.i.valid.eq(age == _READY),
        ]
        with m.If(age != _READY):
            m.d.sync += age.eq(age + 1)
        with m.Elif(sender.i.ready):
            m.d.sync += [position.eq(position + 1), age.eq(0)]
            with m.If(parts.final):
                m.d.sync += position.eq(0)
                m.next = then
                if then == "payload":
                    with m.If(parts.none):
                        m.next = "idle"


class _Parts:
    """Where the bytes of a reply come from, and the registers they pass."""

    def __init__(self, header: Value, payload: Value, position: Signal, count: Signal) -> None:
        self.header, self.payload = header, payload
        self.position, self.count = position, count
        self.age = Signal(range(_READY + 1), name="age")
        self.byte = Signal(8, name="byte", reset_less=True)
        self.final, self.none = Signal(name="final"), Signal(name="none")
