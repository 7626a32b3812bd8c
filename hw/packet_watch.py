"""Packet watch: where packets of the output stream end, and which they are."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import bundle, header_shape
from spec.arch import ArchConfig
from spec.packet import Opcode

__all__ = ["PacketWatch"]


class PacketWatch(wiring.Component):
    """Follow header, payload and CRC of the answers; the first word after reset begins a header.

    Answers carry no SYNC: the header's length says where the next header is. ``last`` belongs to the
    word in ``word``, in the same cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).

    Members
    -------
    word : In(stream_width)
        The core's ``o.payload``.
    moved : In(1)
        It is taken in this cycle.
    every_packet : In(1)
        ``last`` marks every packet, not only DONE and ERROR.
    last : Out(1)
        ``word`` ends a transfer.
    packet, answered, failed : Out(1)
        Pulses: a packet has ended; it was DONE or ERROR; it was ERROR.
    code : Out(8)
        ``ErrorCode`` of the last ERROR packet since reset, 0 before.
    """

    word: Signal
    moved: Signal
    every_packet: Signal
    last: Signal
    packet: Signal
    answered: Signal
    failed: Signal
    code: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "word": In(arch.stream_width),
                "moved": In(1),
                "every_packet": In(1),
                "last": Out(1),
                "packet": Out(1),
                "answered": Out(1),
                "failed": Out(1),
                "code": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header: data.View = bundle(header_shape(), "header")
        inside, final, done, error = Signal(), Signal(), Signal(), Signal()
        left, opens, tells = Signal.like(header.length), ~inside, ~inside
        if self.arch.header_words > 1:
            # The opcode is in the first word, the length in the second.
            tells = Signal(name="second")
            with m.If(self.moved):
                m.d.sync += tells.eq(opens)
            m.d.comb += header.as_value().eq(Cat(self.word, self.word))
        else:
            m.d.comb += header.as_value().eq(self.word)
        m.d.comb += [
            final.eq(~opens & ~tells & (left == 0)),
            self.last.eq(final & (self.every_packet | done | error)),
            self.packet.eq(final & self.moved),
            self.answered.eq(self.packet & (done | error)),
            self.failed.eq(self.packet & error),
        ]
        with m.If(self.moved):
            m.d.sync += [left.eq(left - 1), inside.eq(~final)]
            with m.If(tells):
                m.d.sync += left.eq(header.length)
            with m.If(opens):
                m.d.sync += [
                    done.eq(header.opcode == Opcode.DONE),
                    error.eq(header.opcode == Opcode.ERROR),
                ]
                with m.If(header.opcode == Opcode.ERROR):
                    m.d.sync += self.code.eq(header.argument)
        return m
