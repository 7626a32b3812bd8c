"""The record reader: every record of the bank, bit for bit as it was written, and none behind the last."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal, Value

from hw.record_reader import RecordReader
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["RECORD_READER"]

_ARCH: Final = ArchConfig(
    clusters=1,
    lanes=1,
    tokens=1,
    segment=16,
    advance_width=8,
    activation_depth=16,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
_RECORD, _WORD, _PATIENCE = _ARCH.record_width, _ARCH.stream_width, 2
_WRITES: Final = 2
_MOST: Final = 2 * _WORD // _RECORD
"""Records in two words: 25 bits each, in chunks of 32, so they lie across chunks and words."""


class RecordReaderHarness(Harness):
    """Two words are written, to any bank; then a start may come at any time."""

    def describe(self, m: Module) -> None:
        reader = self.component
        shadow = [Signal(2 * _WORD, name=f"bank_{n}", reset_less=True) for n in range(2)]
        started, bank, words = Signal(), Signal(), Signal(range(3))
        for number, written in enumerate(shadow):
            with m.If(reader.write_enable & (reader.write_bank == number)):
                m.d.sync += written.word_select(reader.write_address, _WORD).eq(reader.write_data)
        with m.If(reader.start):
            m.d.sync += [started.eq(1), bank.eq(reader.bank), words.eq(reader.words)]
        self.suppose_no_reset(m)
        age = Signal(range(_WRITES + 1))
        with m.If(age < _WRITES):
            m.d.sync += age.eq(age + 1)
        self.suppose(m, "writes_first", reader.write_enable == (age < _WRITES))
        self.suppose(m, "words", reader.words <= 2)
        self.suppose(m, "written_before", ~(reader.write_enable & reader.start))

        o = self.sink(m, "o", reader.o, _PATIENCE, reader.start)
        taken, due = Signal(range(_MOST + 2)), Signal(_RECORD)
        m.d.sync += taken.eq(Mux(reader.start, 0, taken + o.moved))
        content = Mux(bank, shadow[1], shadow[0])
        m.d.comb += due.eq((content >> (taken * _RECORD))[:_RECORD])
        left = (taken + 1) * _RECORD <= words * _WORD
        self.claim(m, "record", ~reader.o.valid | (reader.o.payload.as_value() == due))
        self.claim(m, "none_behind_the_last", ~reader.o.valid | left)
        self.claim(m, "exhausted", ~(reader.exhausted & started) | ~left)
        waits = started & ~reader.start & ~reader.o.valid & left
        self.within(m, "first_record", reader.START_LATENCY - 1, waits)
        over = started & ~reader.start & ~left & ~reader.exhausted
        self.within(m, "tells_the_end", reader.START_LATENCY + reader.EXHAUSTED_DELAY, over)
        self._once_begun(m, started, waits, o.moved)
        self.reach(m, "across_words", o.moved & (taken == 2) & (due == 0x155AA55) & ~bank)
        self.reach(m, "all_of_one_word", started & reader.exhausted & (taken == 2) & (words == 1))

    def _once_begun(self, m: Module, started: Signal, waits: Value, moved: Value) -> None:
        """Records follow one another without a gap."""
        begun = Signal()
        with m.If(self.component.start):
            m.d.sync += begun.eq(0)
        with m.Elif(moved):
            m.d.sync += begun.eq(1)
        self.claim(m, "no_gap", ~(begun & waits))


RECORD_READER = Proof(
    subject=RecordReader,
    harness=lambda reader: RecordReaderHarness(reader(_ARCH)),
    bug=Bug("fits.eq(following + record <= chunk)", "fits.eq(following + record < chunk + 25)"),
    depth=13,
    cover=22,
)
