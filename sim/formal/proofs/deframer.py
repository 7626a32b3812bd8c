"""The deframer: what spec.packet puts between the words is taken out again, and nothing else changes."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.deframer import Deframer
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig
from spec.packet import framing_words

__all__ = ["DEFRAMER"]

_ARCH, _PATIENCE = ArchConfig(clusters=1, lanes=1, tokens=1), 3
_SYNC, _STUFF = (int.from_bytes(word, "little") for word in framing_words(_ARCH.stream_width // 8))
_MOST: Final = 2


def _framed(word: Value, after_sync: Value) -> Value:
    """Return ``word`` as it is due on the output."""
    stuffed = after_sync & (word == _STUFF)
    return Cat(Mux(stuffed, _SYNC, word), after_sync & ~stuffed, Mux(after_sync, 2, 1)[:2])


class DeframerHarness(Harness):
    """Any words, SYNC behind SYNC too."""

    def describe(self, m: Module) -> None:
        deframer, find = self.component, self.interior.signal
        i = self.source(m, "i", deframer.i)
        o = self.sink(m, "o", deframer.o, _PATIENCE)
        after_sync, payload = Signal(), Value.cast(deframer.o.payload)
        with m.If(i.moved):
            m.d.sync += after_sync.eq(deframer.i.payload == _SYNC)
        order = self.order(
            m,
            "order",
            (i.moved & (deframer.i.payload != _SYNC), _framed(deframer.i.payload, after_sync)),
            (o.moved, payload),
            most=_MOST,
        )
        self.within(m, "takes", _PATIENCE + 1, i.waits)
        self.within(m, "moves", 1, (order.inside != 0) & ~deframer.o.valid)
        self.reach(m, "restores", deframer.o.valid & (deframer.o.payload.data == _SYNC))
        self.reach(m, "starts", o.moved & deframer.o.payload.first & order.tagged & (order.ahead == 1))

        valid, held, before = find("held_valid"), find("held"), find("after_sync")
        self.lemma(m, "sync", ~valid | (find("is_sync") == (held == _SYNC)))
        self.lemma(m, "stuff", ~valid | (find("is_stuff") == (held == _STUFF)))
        self.lemma(m, "after_sync", after_sync == Mux(valid, held == _SYNC, before))
        self.lemma(m, "counted", order.inside == deframer.o.valid + (valid & (held != _SYNC)))
        self.lemma(m, "tag_is_inside", ~order.tagged | (order.ahead < order.inside))
        here = Mux(deframer.o.valid & (order.ahead == 0), payload, _framed(held, before))
        self.lemma(m, "tag_is_here", ~order.tagged | (here == order.word))


DEFRAMER = Proof(
    subject=Deframer,
    harness=lambda deframer: DeframerHarness(deframer(_ARCH)),
    bug=Bug(
        "            with m.If(held_valid):\n                m.d.sync += after_sync.eq(is_sync)",
        "            m.d.sync += after_sync.eq(is_sync & held_valid)",
    ),
    depth=10,
    cover=10,
    induction=6,
)
