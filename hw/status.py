"""Status: the answers that are not psums, ERROR and DONE, as items for the collect chain."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.one_hot import OneHot
from hw.packet_reader import error_shape
from hw.pipeline import delay
from hw.shapes import ItemKind, bundle, header_shape
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.packet import Opcode

__all__ = ["Status", "status_shape"]

_STATES: Final = ("idle", "header", "choose", "load", "counter", "trailer")
_LENGTH: Final = "length"
"""State that sends the header's second word, where it takes two."""


def status_shape(arch: ArchConfig) -> data.StructLayout:
    """A word of a status packet and its place in it."""
    return data.StructLayout({"kind": ItemKind, "data": arch.stream_width})


class Status(wiring.Component):
    """Write one packet at a time: an error as soon as there is one, DONE when the layer is finished.

    Parameters
    ----------
    arch : ArchConfig
    counter_width : int
        Bits of a counter.

    Members
    -------
    tag : In(8)
        Of the layer.
    error : In(stream.Signature(error_shape()))
    done : In(1)
        Pulse: DONE is due.
    settled : In(1)
        Every psum has left, and the counters are final.
    number : Out
        Place in ``spec.counters.COUNTERS`` of the counter that is asked for.
    counter : In(counter_width)
        The counter asked for in the cycle before.
    pending : Out(1)
        An answer is due or on its way out; the counters must stay as they are.
    o : Out(stream.Signature(status_shape(arch)))
    """

    tag: Signal
    error: stream.Interface
    done: Signal
    settled: Signal
    number: Signal
    counter: Signal
    pending: Signal
    o: stream.Interface

    def __init__(self, arch: ArchConfig, counter_width: int) -> None:
        self.arch: Final = arch
        self.counter_width: Final = counter_width
        super().__init__(
            {
                "tag": In(8),
                "error": In(stream.Signature(error_shape())),
                "done": In(1),
                "settled": In(1),
                "number": Out(range(len(COUNTERS))),
                "counter": In(counter_width),
                "pending": Out(1),
                "o": Out(stream.Signature(status_shape(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A header's second word is its length and tag, the layer's when that is chosen: NO_END allows it.
        due = Signal()
        two_words = self.arch.header_words > 1
        error, done = self._headers(m)
        out, word, brief = self.o.payload, Signal(self.arch.stream_width, reset_less=True), Signal()
        m.d.comb += out.data.eq(word)
        with m.If(self.done):
            m.d.sync += due.eq(1)
        writer = OneHot(m, (*_STATES, _LENGTH) if two_words else _STATES)
        with writer.state("idle"):
            m.d.comb += self.error.ready.eq(1)
            m.d.sync += [word.eq(Mux(self.error.valid, error, done)), brief.eq(self.error.valid)]
            m.d.sync += self.number.eq(0)
            with m.If(self.error.valid | (due & self.settled)):
                writer.enter("header")
            with m.If(~self.error.valid & due & self.settled):
                m.d.sync += due.eq(0)
        self._send_header(m, writer, word, brief, Mux(brief, error, done) if two_words else None)
        self._send(m, writer, word)
        m.d.comb += self.pending.eq(due | ~writer.here["idle"])
        return m

    def _headers(self, m: Module) -> tuple[data.View, data.View]:
        """Return the headers of ERROR and DONE."""
        error, done = bundle(header_shape(), "error"), bundle(header_shape(), "done")
        m.d.comb += [
            error.opcode.eq(Opcode.ERROR),
            error.cluster.eq(self.error.payload.opcode),
            error.argument.eq(self.error.payload.code),
            error.tag.eq(self.tag),
            done.opcode.eq(Opcode.DONE),
            done.length.eq(len(COUNTERS)),
            done.tag.eq(self.tag),
        ]
        return error, done

    def _send_header(
        self, m: Module, writer: OneHot, word: Signal, brief: Signal, header: Value | None
    ) -> None:
        """States that send the header in ``word``, and the rest of ``header`` if that is given.

        Counters follow, unless the packet is ``brief``.
        """
        out = self.o.payload
        with writer.state("header"):
            m.d.comb += [self.o.valid.eq(1), out.kind.eq(ItemKind.STATUS_HEADER)]
            if header is not None:
                with m.If(self.o.ready):
                    m.d.sync += word.eq(header[self.arch.stream_width :])
                    writer.enter(_LENGTH)
            else:
                self._leave_header(m, writer, brief)
        if header is not None:
            with writer.state(_LENGTH):
                m.d.comb += [self.o.valid.eq(1), out.kind.eq(ItemKind.STATUS_DATA)]
                self._leave_header(m, writer, brief)

    def _leave_header(self, m: Module, writer: OneHot, brief: Signal) -> None:
        with m.If(self.o.ready & brief):
            writer.enter("trailer")
        with m.If(self.o.ready & ~brief):
            writer.enter("choose")

    def _send(self, m: Module, writer: OneHot, word: Signal) -> None:
        """States that send the counters and close the packet."""
        out = self.o.payload
        # A number stands for two cycles before its counter is sent, so this is in time.
        final = delay(m, self.number == len(COUNTERS) - 1, 1, "final")
        with writer.state("choose"):
            writer.enter("load")
        with writer.state("load"):
            m.d.sync += word.eq(self.counter)
            writer.enter("counter")
        with writer.state("counter"):
            m.d.comb += [self.o.valid.eq(1), out.kind.eq(ItemKind.STATUS_DATA)]
            with m.If(self.o.ready & final):
                writer.enter("trailer")
            with m.If(self.o.ready & ~final):
                m.d.sync += self.number.eq(self.number + 1)
                writer.enter("choose")
        with writer.state("trailer"):
            m.d.comb += [self.o.valid.eq(1), out.kind.eq(ItemKind.STATUS_TRAILER)]
            with m.If(self.o.ready):
                writer.enter("idle")
