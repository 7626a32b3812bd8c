"""Packet reader: takes packets apart, checks their CRC and keeps damage to the job it hit."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.checksum import Checksum
from hw.deframer import framed_shape
from hw.one_hot import OneHot
from hw.pipeline import delay
from hw.shapes import arriving_header, header_shape
from spec.arch import ArchConfig
from spec.packet import ErrorCode, Opcode

__all__ = ["PacketReader", "error_shape"]

_OWN: Final = (ErrorCode.NO_SYNC, ErrorCode.TRUNCATED, ErrorCode.BAD_CRC)
"""Errors that are found here; the others are the loader's ``problem``."""
_STATES: Final = (
    *("header", "judge", "check", "payload", "trailer"),
    *("verify", "compare", "conclude", "commit"),
)
_SECOND: Final = "second"
"""State that waits for the header's second word, where it takes two."""


def error_shape() -> data.StructLayout:
    """An error: ``ErrorCode`` and the opcode at fault."""
    return data.StructLayout({"code": 8, "opcode": 8})


class PacketReader(wiring.Component):
    """Follow packets from header to CRC; hand out payload words and, for a good packet, ``commit``.

    After an error everything up to the next BEGIN is dropped; a missing END is only told. One word per cycle,
    but a packet costs ``OVERHEAD`` cycles in which no word is taken: judge, check, three to verify, commit.

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
    open : In(1)
        A layer has begun and not ended.
    word, word_valid : Out
        A payload word.
    commit : Out(1)
        Pulse: the packet is complete and undamaged.
    error : Out(stream.Signature(error_shape()))
        At most one between two BEGINs, and one for a missing END.
    words : Out(2)
        Stream words consumed in this cycle; a SYNC counts with the word behind it.
    held, starved : Out(1)
        A packet is ``waiting``; a word would be taken, but there is none.
    """

    OVERHEAD = 6

    i: stream.Interface
    header: data.View
    opened: Signal
    problem: Signal
    waiting: Signal
    open: Signal
    word: Signal
    word_valid: Signal
    commit: Signal
    error: stream.Interface
    words: Signal
    held: Signal
    starved: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(framed_shape(arch))),
                "header": Out(header_shape()),
                "opened": Out(1),
                "problem": In(8),
                "waiting": In(1),
                "open": In(1),
                "word": Out(arch.stream_width),
                "word_valid": Out(1),
                "commit": Out(1),
                "error": Out(stream.Signature(error_shape())),
                "words": Out(2),
                "held": Out(1),
                "starved": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._faults = {cause: Signal(name=f"finds_{cause.name.lower()}") for cause in _OWN}
        self._refused, self._unended = Signal(name="refused"), Signal(name="unended")
        two_words = self.arch.header_words > 1
        self._opens = _SECOND if two_words else "judge"
        self._machine = machine = OneHot(m, (*_STATES, _SECOND) if two_words else _STATES)
        word, starts, taking = self.i.payload, Signal(), Signal(init=1)
        matches = self._verify(m)
        # Whether a word is taken in the next cycle: states that take one are left by the first word of a
        # packet, and the trailer by any. Said of the states themselves, it would take twice as many gates.
        admitted = machine.here["check"] & ~machine.then["check"]
        m.d.sync += taking.eq((taking & ~self._leaves()) | admitted | machine.here["commit"])
        m.d.comb += [
            self.i.ready.eq(taking),
            starts.eq(self.i.valid & word.first),
            self.words.eq(Mux(self.i.valid & self.i.ready, word.words, 0)),
            self.starved.eq(self.i.ready & ~self.i.valid),
            self.word.eq(word.data),
            self.word_valid.eq(machine.here["payload"] & self.i.valid & ~word.first),
            self.commit.eq(machine.here["commit"] & matches),
        ]
        self._take_header(m, taking & starts)
        empty, final = self._count(m)
        faulted = self._report(m)
        begins = delay(m, self.header.opcode == Opcode.BEGIN, 1, "begins")
        with machine.state("header"):
            with m.If(self.i.valid & ~word.first):
                m.d.comb += self._faults[ErrorCode.NO_SYNC].eq(1)
            with m.If(starts):
                machine.enter(self._opens)
        with machine.state("judge"):
            m.d.comb += self.opened.eq(1)
            machine.enter("check")
        with machine.state("check"):
            self._check(m, empty, faulted, begins)
        self._receive(m, starts, final)
        self._conclude(m, matches, begins, faulted)
        return m

    def _leaves(self) -> Value:
        """Whether the word that is taken is the last one for a while: that of a header, or a CRC."""
        here, first = self._machine.here, self.i.payload.first
        last: Value = first | here["trailer"]
        if self.arch.header_words > 1:
            last = ~first & (here[_SECOND] | here["trailer"])
        return self.i.valid & last

    def _take_header(self, m: Module, starts: Value) -> None:
        """Keep the header, whose first word comes with ``starts``."""
        word = self.i.payload
        header, whole = self.header.as_value(), arriving_header(self.arch, self.header.as_value(), word.data)
        if self.arch.header_words == 1:
            with m.If(starts):
                m.d.sync += self.header.eq(whole)
            return
        with m.If(starts):
            m.d.sync += header[: self.arch.stream_width].eq(word.data)
        with self._machine.state(_SECOND):
            with m.If(self.i.valid & ~word.first):
                m.d.sync += header[self.arch.stream_width :].eq(word.data)
                self._machine.enter("judge")
            self._truncated(m, self.i.valid & word.first)

    def _count(self, m: Module) -> tuple[Signal, Signal]:
        """Return whether the packet has no payload, and whether one word of it is still to come."""
        left, empty, final = Signal(24, reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        with m.If(self.opened):
            m.d.sync += [left.eq(self.header.length), final.eq(self.header.length == 1)]
            m.d.sync += empty.eq(self.header.length == 0)
        with m.Elif(self.word_valid):
            m.d.sync += [left.eq(left - 1), final.eq(left == 2)]
        return empty, final

    def _receive(self, m: Module, starts: Signal, final: Signal) -> None:
        """States that take payload and CRC word of an admitted packet."""
        with self._machine.state("payload"):
            with m.If(self.word_valid & final):
                self._machine.enter("trailer")
            self._truncated(m, starts)
        with self._machine.state("trailer"):
            with m.If(self.i.valid & ~self.i.payload.first):
                self._machine.enter("verify")
            self._truncated(m, starts)

    def _conclude(self, m: Module, matches: Signal, begins: Value, faulted: Signal) -> None:
        """States that wait for the CRC, and commit the packet or report it."""
        for state, following in (("verify", "compare"), ("compare", "conclude"), ("conclude", "commit")):
            with self._machine.state(state):
                self._machine.enter(following)
        with self._machine.state("commit"):
            m.d.comb += self._faults[ErrorCode.BAD_CRC].eq(~matches)
            with m.If(matches & begins):
                m.d.sync += faulted.eq(0)
            self._machine.enter("header")

    def _verify(self, m: Module) -> Signal:
        """Return whether the last word taken, ``Checksum.INTACT_LATENCY`` cycles before, is the right CRC."""
        m.submodules.checksum = crc = Checksum(self.arch.stream_width)
        taken = Signal()
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            crc.data.eq(self.i.payload.data),
            crc.valid.eq(taken),
            crc.start.eq(taken & self.i.payload.first),
        ]
        return crc.intact

    def _truncated(self, m: Module, starts: Value) -> None:
        """A packet starts before the one under way is complete."""
        with m.If(starts):
            m.d.comb += self._faults[ErrorCode.TRUNCATED].eq(1)
            self._machine.enter(self._opens)

    def _check(self, m: Module, empty: Signal, faulted: Signal, begins: Value) -> None:
        """Drop, refuse, hold or admit the packet whose header has come."""
        with m.If(faulted & ~begins):
            self._machine.enter("header")
        # A BEGIN waits for the error before it to leave: there is one place for errors.
        with m.Elif(~(begins & self.error.valid)):
            with m.If(self.problem != 0):
                m.d.comb += self._refused.eq(1)
                self._machine.enter("header")
            with m.Elif(~self.waiting):
                m.d.comb += self._unended.eq(begins & self.open & ~faulted)
                with m.If(empty):
                    self._machine.enter("trailer")
                with m.Else():
                    self._machine.enter("payload")
            with m.Else():
                m.d.comb += self.held.eq(1)

    def _report(self, m: Module) -> Signal:
        """Report the first error of a job a cycle after it is found; return whether there was one.

        The header behind an error is checked two cycles after it came, so that is early enough.
        """
        faulted, found = Signal(), Signal()
        refused = delay(m, self._refused, 1, "refused", reset_less=False)
        unended = delay(m, self._unended, 1, "unended", reset_less=False)
        causes = {
            code: delay(m, fault, 1, code.name.lower(), reset_less=False)
            for code, fault in self._faults.items()
        }
        opcode = delay(m, self.header.opcode, 1, "opcode")
        m.d.comb += found.eq((refused | Cat(causes.values()).any()) & ~faulted)
        m.d.sync += self.error.valid.eq(found | unended | (self.error.valid & ~self.error.ready))
        with m.If(unended):
            m.d.sync += [self.error.payload.opcode.eq(opcode), self.error.payload.code.eq(ErrorCode.NO_END)]
        with m.If(found):
            m.d.sync += faulted.eq(1)
            # Words that belong to no packet have no opcode.
            m.d.sync += self.error.payload.opcode.eq(Mux(causes[ErrorCode.NO_SYNC], 0, opcode))
            m.d.sync += self.error.payload.code.eq(self.problem)
            for code, cause in causes.items():
                with m.If(cause):
                    m.d.sync += self.error.payload.code.eq(code)
        return faulted
