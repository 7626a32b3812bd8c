"""Begin watch: where layers start in the input stream."""

from typing import Final

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import bundle, header_shape
from spec.arch import ArchConfig
from spec.packet import Opcode, framing_words

__all__ = ["BeginWatch"]


class BeginWatch(wiring.Component):
    """See the header of BEGIN, or its first word, behind a SYNC word; inside payloads STUFF stands there.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).

    Members
    -------
    word : In(stream_width)
        The core's ``i.payload``.
    moved : In(1)
        It is taken in this cycle.
    begin : Out(1)
        Pulse: it is the header of BEGIN, or the first word of that.
    """

    word: Signal
    moved: Signal
    begin: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__({"word": In(arch.stream_width), "moved": In(1), "begin": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sync = int.from_bytes(framing_words(self.arch.stream_width // 8)[0], "little")
        after_sync, header = Signal(), bundle(header_shape(), "header")
        m.d.comb += [
            header.as_value().eq(self.word),
            self.begin.eq(self.moved & after_sync & (header.opcode == Opcode.BEGIN)),
        ]
        with m.If(self.moved):
            m.d.sync += after_sync.eq(self.word == sync)
        return m
