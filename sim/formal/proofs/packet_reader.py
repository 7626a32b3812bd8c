"""The packet reader: as many words as the header says, at most one error per job, and the input moves on."""

from typing import Any, Final

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.hdl._ast import AnySeq  # its public name is gone with Amaranth's own checks

from hw.packet_reader import PacketReader
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig
from spec.packet import ErrorCode, Opcode

__all__ = ["NARROW_PACKET_READER", "PACKET_READER"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=1)
_NARROW: Final = ArchConfig(clusters=1, lanes=1, tokens=1, stream_width=32, activation_depth=1024)
_PATIENCE: Final = 3


class PacketReaderHarness(Harness):
    """Any words; a loader that may refuse a packet or let it wait, and stands by what it said."""

    def describe(self, m: Module) -> None:
        reader, framed = self.component, self.component.i.payload
        i = self.source(m, "i", reader.i)
        error = self.sink(m, "error", reader.error, _PATIENCE)
        # A BEGIN is admitted when no answer is pending, so what it says of a missing END is taken at once.
        unended = reader.error.payload.code == ErrorCode.NO_END
        self.suppose(m, "no_end_is_taken", ~(error.waits & unended))
        said, asked = Signal(8), Signal()
        m.d.sync += [said.eq(reader.problem), asked.eq(reader.opened)]
        self.suppose(m, "problem_stands", asked | (reader.problem == said))

        header, words, whole, second = Signal(64), Signal(24), Signal(), Signal()
        width = reader.arch.stream_width
        with m.If(i.moved & framed.first):
            m.d.sync += [header[:width].eq(framed.data), second.eq(reader.arch.header_words > 1)]
            m.d.sync += [words.eq(0), whole.eq(0)]
        with m.Elif(i.moved & second):
            m.d.sync += [header[width:].eq(framed.data), second.eq(0)]
        with m.Elif(reader.word_valid):
            m.d.sync += words.eq(words + 1)
        with m.Elif(i.moved):
            m.d.sync += whole.eq(1)
        length = header[32:56]
        self.claim(m, "header", reader.header.as_value() == header)
        self.claim(m, "payload_is_taken", ~reader.word_valid | (i.moved & (reader.word == framed.data)))
        self.claim(m, "payload_in_bounds", ~reader.word_valid | (words < length))
        self.claim(m, "commit_when_whole", ~reader.commit | ((words == length) & whole))
        self.claim(m, "words", reader.words == Mux(i.moved, framed.words, 0))
        self.claim(m, "starved", reader.starved == (reader.i.ready & ~reader.i.valid))
        stuck = reader.waiting | reader.error.valid
        self.within(m, "takes", PacketReader.OVERHEAD, i.waits & ~stuck)
        self._errors(m)
        self.reach(m, "commits_a_word", reader.commit & (words == 1) & (header[:8] == Opcode.VALUES))

    def _errors(self, m: Module) -> None:
        """Between two BEGINs that are committed one error is told, and one that an END is missing."""
        reader = self.component
        faulted = Signal()
        ends = reader.error.payload.code == ErrorCode.NO_END
        opened = reader.commit & (reader.header.opcode == Opcode.BEGIN)
        with m.If(reader.error.valid & reader.error.ready & ~ends):
            m.d.sync += faulted.eq(1)
        with m.If(opened):
            m.d.sync += faulted.eq(0)
        self.claim(m, "one_error", ~(reader.error.valid & ~ends & faulted))


def _with_any_verdict(reader: Any) -> Any:
    """Return the packet reader whose CRCs are right or wrong as the solver likes: it finds none itself.

    The checksum has a proof of its own.
    """

    class Reader(reader):  # type: ignore[misc]  # a class made at run time
        def _verify(self, m: Module) -> Value:
            return AnySeq(1)

    return Reader


PACKET_READER = Proof(
    subject=PacketReader,
    harness=lambda reader: PacketReaderHarness(_with_any_verdict(reader)(_ARCH)),
    bug=Bug("final.eq(left == 2)", "final.eq(left == 1)"),
    depth=12,
    cover=14,
)
NARROW_PACKET_READER = Proof(
    subject=PacketReader,
    harness=lambda reader: PacketReaderHarness(_with_any_verdict(reader)(_NARROW)),
    bug=Bug('last = ~first & (here[_SECOND] | here["trailer"])', 'last = here[_SECOND] | here["trailer"]'),
    depth=12,
    cover=15,
)
