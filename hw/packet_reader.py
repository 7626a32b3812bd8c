"""Packet reader: takes packets apart, checks their CRC and keeps damage to the job it hit."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.checksum import Checksum
from hw.deframer import framed_shape
from hw.pipeline import delay
from hw.shapes import header_shape
from spec.arch import ArchConfig
from spec.packet import ErrorCode, Opcode

__all__ = ["PacketReader", "error_shape"]

_OWN: Final = (ErrorCode.NO_SYNC, ErrorCode.TRUNCATED, ErrorCode.BAD_CRC)
"""Errors that are found here; the others are the loader's ``problem``."""


def error_shape() -> data.StructLayout:
    """An error: ``ErrorCode`` and the opcode at fault."""
    return data.StructLayout({"code": 8, "opcode": 8})


class PacketReader(wiring.Component):
    """Follow packets from header to CRC; hand out payload words and, for a good packet, ``commit``.

    After an error everything up to the next BEGIN is dropped. One word per cycle, but a packet costs
    ``OVERHEAD`` cycles in which no word is taken: judge, check, verify, commit.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).

    Members
    -------
    i : In(stream.Signature(framed_shape(arch)))
    header : Out(header_shape())
        Of the packet under way.
    opened : Out(1)
        ``header`` is new; ``problem`` and ``waiting`` must answer to it from the next cycle on.
    problem : In(8)
        ``ErrorCode`` that forbids the packet, or 0.
    waiting : In(1)
        The packet may pass, but not yet.
    word, word_valid : Out
        A payload word.
    commit : Out(1)
        Pulse: the packet is complete and undamaged.
    error : Out(stream.Signature(error_shape()))
        At most one between two BEGINs.
    words : Out(2)
        Stream words consumed in this cycle; a SYNC counts with the word behind it.
    """

    OVERHEAD = 4

    i: stream.Interface
    header: data.View
    opened: Signal
    problem: Signal
    waiting: Signal
    word: Signal
    word_valid: Signal
    commit: Signal
    error: stream.Interface
    words: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(framed_shape(arch))),
                "header": Out(header_shape()),
                "opened": Out(1),
                "problem": In(8),
                "waiting": In(1),
                "word": Out(arch.stream_width),
                "word_valid": Out(1),
                "commit": Out(1),
                "error": Out(stream.Signature(error_shape())),
                "words": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._faults = {cause: Signal(name=f"finds_{cause.name.lower()}") for cause in _OWN}
        self._refused = Signal(name="refused")
        word, taken, starts = self.i.payload, Signal(), Signal()
        left, final, matches = Signal(24), Signal(), self._verify(m)
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            starts.eq(taken & word.first),
            self.words.eq(Mux(taken, word.words, 0)),
            self.word.eq(word.data),
        ]
        faulted = self._report(m)
        with m.FSM():
            with m.State("header"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken & ~starts):
                    m.d.comb += self._faults[ErrorCode.NO_SYNC].eq(1)
                self._open(m, starts, left)
            with m.State("judge"):
                m.d.comb += self.opened.eq(1)
                m.d.sync += final.eq(left == 1)
                m.next = "check"
            with m.State("check"):
                self._check(m, left, faulted)
            self._receive(m, taken, starts, left, final)
            with m.State("verify"):
                m.next = "commit"
            with m.State("commit"):
                m.d.comb += self.commit.eq(matches)
                with m.If(~matches):
                    m.d.comb += self._faults[ErrorCode.BAD_CRC].eq(1)
                with m.Elif(self.header.opcode == Opcode.BEGIN):
                    m.d.sync += faulted.eq(0)
                m.next = "header"
        return m

    def _receive(self, m: Module, taken: Signal, starts: Signal, left: Signal, final: Signal) -> None:
        """States that take payload and CRC word of an admitted packet."""
        with m.State("payload"):
            m.d.comb += [self.i.ready.eq(1), self.word_valid.eq(taken & ~starts)]
            with m.If(self.word_valid):
                m.d.sync += [left.eq(left - 1), final.eq(left == 2)]
                with m.If(final):
                    m.next = "trailer"
            self._truncated(m, starts, left)
        with m.State("trailer"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(taken):
                m.next = "verify"
            self._truncated(m, starts, left)

    def _verify(self, m: Module) -> Signal:
        """Return whether the CRC word, the last word taken, fits header and payload.

        A word is in ``crc`` two cycles after it is taken, so one cycle after the CRC word, ``crc`` covers
        all before it.
        """
        m.submodules.checksum = crc = Checksum(self.arch.stream_width)
        last, padded = Signal(32, reset_less=True), Signal(reset_less=True)
        taken, matches = Signal(), Signal()
        word = self.i.payload.data
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            crc.data.eq(word),
            crc.valid.eq(taken),
            crc.start.eq(taken & self.i.payload.first),
        ]
        m.d.sync += [last.eq(word[:32]), padded.eq(word[32:] == 0), matches.eq(padded & (last == crc.crc))]
        return matches

    def _open(self, m: Module, starts: Signal, left: Signal) -> None:
        """Register the header word when a packet starts."""
        fresh = data.View(header_shape(), self.i.payload.data[:64])
        with m.If(starts):
            m.d.sync += [self.header.eq(fresh), left.eq(fresh.length)]
            m.next = "judge"

    def _truncated(self, m: Module, starts: Signal, left: Signal) -> None:
        """A packet starts before the one under way is complete."""
        with m.If(starts):
            m.d.comb += self._faults[ErrorCode.TRUNCATED].eq(1)
        self._open(m, starts, left)

    def _check(self, m: Module, left: Signal, faulted: Signal) -> None:
        """Drop, refuse, hold or admit the packet whose header has come."""
        begins = Signal()
        m.d.comb += begins.eq(self.header.opcode == Opcode.BEGIN)
        with m.If(faulted & ~begins):
            m.next = "header"
        with m.Elif((self.problem != 0) & ~(begins & self.error.valid)):
            m.d.comb += self._refused.eq(1)
            m.next = "header"
        # A BEGIN waits for the error before it to leave: there is one place for errors.
        with m.Elif(~self.waiting & ~(begins & self.error.valid)):
            m.next = "payload"
            with m.If(left == 0):
                m.next = "trailer"

    def _report(self, m: Module) -> Signal:
        """Report the first error of a job a cycle after it is found; return whether there was one.

        The header behind an error is checked two cycles after it came, so that is early enough.
        """
        faulted, found = Signal(), Signal()
        refused = delay(m, self._refused, 1, "refused", reset_less=False)
        causes = {
            code: delay(m, fault, 1, code.name.lower(), reset_less=False)
            for code, fault in self._faults.items()
        }
        opcode = delay(m, self.header.opcode, 1, "opcode")
        m.d.comb += found.eq((refused | Cat(causes.values()).any()) & ~faulted)
        with m.If(found):
            m.d.sync += [faulted.eq(1), self.error.valid.eq(1)]
            # Words that belong to no packet have no opcode.
            m.d.sync += self.error.payload.opcode.eq(Mux(causes[ErrorCode.NO_SYNC], 0, opcode))
            m.d.sync += self.error.payload.code.eq(self.problem)
            for code, cause in causes.items():
                with m.If(cause):
                    m.d.sync += self.error.payload.code.eq(code)
        with m.Elif(self.error.ready):
            m.d.sync += self.error.valid.eq(0)
        return faulted
