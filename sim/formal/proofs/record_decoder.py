"""The record decoder: every record taken apart as spec.record says, ends made up behind the last."""

from typing import Any, Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.record_decoder import RecordDecoder
from sim.formal.bug import Bug
from sim.formal.contract import StreamContract
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["RECORD_DECODER"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=1, segment=4)
_PATIENCE: Final = 3


class RecordDecoderHarness(Harness):
    """Records that may run out, and a clear at any time.

    One place is enough to count what is inside; ``made_up`` goes along to say that an advance means nothing.
    """

    def describe(self, m: Module) -> None:
        decoder = self.component
        m.submodules.i = i = StreamContract(decoder.i)
        o = self.sink(m, "o", decoder.o, _PATIENCE, decoder.clear)
        self.suppose(m, "exhausted_is_the_end", ~(decoder.exhausted & decoder.i.valid))
        makes_up, made_up = decoder.i.ready & decoder.exhausted, Signal()
        with m.If(decoder.i.ready):
            m.d.sync += made_up.eq(decoder.exhausted)
        order = self.order(
            m,
            "order",
            (i.moved | makes_up, Mux(makes_up, _end(), _decoded(decoder.i.payload))),
            (o.moved, _seen(decoder.o.payload, made_up)),
            most=1,
            clear=decoder.clear,
        )
        self.claim(m, "latency_is_one", decoder.o.valid == (order.inside != 0))
        self.claim(m, "one_per_cycle", decoder.i.ready | (decoder.o.valid & ~decoder.o.ready))
        self.reach(m, "escape_behind_a_vector", o.moved & decoder.o.payload.escape & order.tagged)
        self.reach(m, "made_up", o.moved & made_up & order.tagged)

        self.lemma(m, "tag_is_first", ~order.tagged | ((order.ahead == 0) & (order.inside == 1)))
        self.lemma(m, "tag_is_here", ~order.tagged | (_seen(decoder.o.payload, made_up) == order.word))


def _decoded(record: Any) -> Value:
    """What a record means: step, bitmap, count, escape, end."""
    groups = sum((record.bitmap[n] for n in range(1, _ARCH.groups)), record.bitmap[0])
    escape = (record.bitmap == 0) & ~record.end
    step = (record.advance + 1) << Mux(escape, _ARCH.advance_width, 0)
    return _packed((step, record.bitmap, groups, escape, record.end))


def _end() -> Value:
    """A record that is not there: it only ends the block."""
    return _packed((0, 0, 0, 0, 1))


def _seen(out: Any, made_up: Value) -> Value:
    return Cat(Mux(made_up, 0, out.step), out.bitmap, out.count, out.escape, out.end)


def _packed(fields: tuple[Any, ...]) -> Value:
    """Return step, bitmap, count, escape and end, each as wide as it is on the stream."""
    widths = (2 * _ARCH.advance_width + 1, _ARCH.groups, _ARCH.groups.bit_length(), 1, 1)
    sized = zip(fields, widths, strict=True)
    return Cat((Value.cast(field) | Const(0, width))[:width] for field, width in sized)


RECORD_DECODER = Proof(
    subject=RecordDecoder,
    harness=lambda decoder: RecordDecoderHarness(decoder(_ARCH)),
    bug=Bug("bitmap.eq(Mux(self.i.valid, record.bitmap, 0))", "bitmap.eq(record.bitmap)"),
    depth=6,
    cover=8,
    induction=2,
)
