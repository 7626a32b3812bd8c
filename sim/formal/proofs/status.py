"""The status writer: every error and every DONE becomes one packet, word for word."""

from typing import Final

from amaranth.asserts import AnyConst  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.shapes import ItemKind
from hw.status import Status
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.packet import Header, Opcode

__all__ = ["STATUS"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=1)
_COUNTER_WIDTH, _PATIENCE = 8, 3
_LAST: Final = len(COUNTERS) - 1
_DONE: Final = Header(Opcode.DONE, length=len(COUNTERS)).encode()
_KINDS: Final = (ItemKind.IDLE, ItemKind.STATUS_HEADER, ItemKind.STATUS_DATA, ItemKind.STATUS_TRAILER)


class StatusHarness(Harness):
    """Errors at any time, a layer's end after DONE of the one before; one counter, any one, is known.

    ``place`` is where the packet under way is: 0 none, 1 its header, 2 counters, 3 its trailer.
    """

    def describe(self, m: Module) -> None:
        status = self.component
        error = self.source(m, "error", status.error)
        o = self.sink(m, "o", status.o, _PATIENCE)
        place, count = Signal(range(4)), Signal(range(len(COUNTERS)))
        brief, due, starts = Signal(), Signal(), Signal()
        m.d.comb += starts.eq((place == 0) & (error.moved | (due & status.settled)))
        self.suppose(m, "one_layer_at_a_time", ~(status.done & due))
        m.d.sync += due.eq(status.done | (due & ~(starts & ~error.moved)))
        with m.If(starts):
            m.d.sync += [place.eq(1), brief.eq(error.moved), count.eq(0)]
        with m.Elif(o.moved), m.Switch(place):
            with m.Case(1):
                m.d.sync += place.eq(Mux(brief, 3, 2))
            with m.Case(2):
                m.d.sync += [count.eq(count + 1), place.eq(Mux(count == _LAST, 3, 2))]
            with m.Case(3):
                m.d.sync += place.eq(0)
        kind = Value.cast(status.o.payload.kind)
        for number, expected in enumerate(_KINDS):
            self.claim(m, f"kind_{number}", ~status.o.valid | (place != number) | (kind == expected.value))
        self.claim(m, "error_taken_between_packets", status.error.ready == (place == 0))
        self.claim(m, "pending", status.pending == (due | (place != 0)))
        self.within(m, "moves", _PATIENCE + 2, (place != 0) & ~o.moved)
        self._words(m, starts, error.moved, place, count)
        self.reach(m, "error_packet", o.moved & (place == 3) & brief & due)
        self._relate(m, place, count, brief, due)

    def _words(self, m: Module, starts: Signal, fails: Value, place: Signal, count: Signal) -> None:
        """The header says what came, and the counter that is known is in its place."""
        status, find = self.component, self.interior.signal
        fault = Cat(Const(0, 8), status.error.payload.opcode, status.error.payload.code)
        told = Mux(fails, fault | Header(Opcode.ERROR).encode(), _DONE)
        header, sent, word = Signal(64), Signal(), status.o.payload.data
        with m.If(starts):
            m.d.sync += header.eq(told | Cat(Const(0, 56), status.tag))
        known, value, before = (
            Signal(range(len(COUNTERS))),
            Signal(_COUNTER_WIDTH),
            Signal.like(status.number),
        )
        m.d.comb += [
            known.eq(AnyConst(len(known))),
            value.eq(AnyConst(_COUNTER_WIDTH)),
            sent.eq(status.o.valid & status.o.ready),
        ]
        m.d.sync += before.eq(status.number)
        self.suppose(m, "counter", (before != known) | (status.counter == value))
        self.claim(m, "header", ~status.o.valid | (place != 1) | (word == header))
        counted = status.o.valid & (place == 2) & (count == known)
        self.claim(m, "counter", ~counted | (word == value))
        self.reach(m, "third_counter", counted & (count == 2) & (value == 0x5A) & sent)
        self.lemma(m, "asked", ~self.interior.ongoing("load") | (before == status.number))
        self.lemma(m, "word_is_header", ~self.interior.ongoing("header") | (find("word") == header))

    def _relate(self, m: Module, place: Signal, count: Signal, brief: Signal, due: Signal) -> None:
        inside = self.interior
        self.lemma(m, "known_state", inside.known())
        states = ("idle", "header", "choose", "load", "counter", "trailer")
        for state, there in zip(states, (0, 1, 2, 2, 2, 3), strict=True):
            self.lemma(m, f"in_{state}", ~inside.ongoing(state) | (place == there))
        counting = (place == 2) | ((place == 1) & ~brief)
        self.lemma(m, "number", ~counting | (self.component.number == count))
        self.lemma(m, "brief", (place != 1) | (inside.signal("brief", method="elaborate") == brief))
        self.lemma(m, "due", inside.signal("due") == due)
        self.lemma(m, "count", Mux(place == 1, count == 0, (place != 2) | (count <= _LAST)))


STATUS = Proof(
    subject=Status,
    harness=lambda status: StatusHarness(status(_ARCH, _COUNTER_WIDTH)),
    bug=Bug(
        "word.eq(Mux(self.error.valid, error, done))",
        "word.eq(Mux(due & self.settled, done, error))",
    ),
    depth=8,
    cover=16,
    induction=7,
)
