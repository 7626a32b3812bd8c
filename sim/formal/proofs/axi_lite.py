"""The AXI4-Lite port: every request gets one answer, its own, and every output keeps still."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Value

from hw.axi_lite import AxiLite, Response
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.order import TaggedOrder
from sim.formal.proof import Proof

__all__ = ["AXI_LITE"]

_PATIENCE: Final = 2
_SLICE: Final = 2
"""Requests that a register slice holds."""


class AxiLiteHarness(Harness):
    """Address and data of a write in any order, and registers that answer anything."""

    def describe(self, m: Module) -> None:
        lite = self.component
        self._reads(m)
        self._writes(m)
        access = lite.access
        self.reach(m, "read_and_write_at_once", access.read & access.write)

    def _reads(self, m: Module) -> None:
        lite, access = self.component, self.component.access
        ar = self.source(m, "ar", lite.ar)
        r = self.sink(m, "r", lite.r, _PATIENCE)
        asked = self.order(
            m,
            "read_addresses",
            (ar.moved, lite.ar.payload[2:]),
            (access.read, access.read_address),
            most=_SLICE,
        )
        response = Mux(access.read_known, Response.OKAY.value, Response.SLVERR.value)[:2]
        answered = self.order(
            m,
            "read_answers",
            (access.read, Cat(access.read_data, response)),
            (r.moved, Value.cast(lite.r.payload)),
            most=1,
        )
        self.within(m, "read_moves", _PATIENCE + 1, ar.waits)
        self.within(m, "read_answered", _PATIENCE + 1, (asked.inside != 0) & ~access.read)
        self.claim(m, "read_answer_at_once", lite.r.valid == (answered.inside != 0))
        refused = Value.cast(lite.r.payload.response) == Response.SLVERR.value
        self.reach(m, "refused_read", r.moved & refused & answered.tagged)
        _relate_slice(self, m, asked, "ar", slice(2, None))
        _relate_answer(self, m, answered, "read", Value.cast(lite.r.payload))

    def _writes(self, m: Module) -> None:
        lite, access = self.component, self.component.access
        aw, w = self.source(m, "aw", lite.aw), self.source(m, "w", lite.w)
        b = self.sink(m, "b", lite.b, _PATIENCE)
        addresses = self.order(
            m,
            "write_addresses",
            (aw.moved, lite.aw.payload[2:]),
            (access.write, access.write_address),
            most=_SLICE,
        )
        words = self.order(
            m,
            "write_data",
            (w.moved, Value.cast(lite.w.payload)),
            (access.write, Cat(access.write_data, access.write_bytes)),
            most=_SLICE,
        )
        response = Mux(access.write_known, Response.OKAY.value, Response.SLVERR.value)[:2]
        answered = self.order(
            m, "write_answers", (access.write, response), (b.moved, Value.cast(lite.b.payload)), most=1
        )
        complete = (addresses.inside != 0) & (words.inside != 0)
        self.within(m, "write_answered", _PATIENCE + 1, complete & ~access.write)
        self.within(m, "write_moves", _PATIENCE + 1, aw.waits & (words.inside != 0))
        self.claim(m, "write_answer_at_once", lite.b.valid == (answered.inside != 0))
        self.reach(
            m, "data_before_address", access.write & words.tagged & (words.inside == 2) & addresses.tagged
        )
        _relate_slice(self, m, addresses, "aw", slice(2, None))
        _relate_slice(self, m, words, "w", slice(None))
        _relate_answer(self, m, answered, "write", Value.cast(lite.b.payload))


def _relate_slice(harness: Harness, m: Module, order: TaggedOrder, path: str, bits: slice) -> None:
    """Say where the requests are that ``order`` counts in a register slice."""
    inside = harness.interior
    slice_, spare = inside.owner(path), inside.signal(f"{path}.spare")
    words = Value.cast(slice_.o.payload), inside.signal(f"{path}.spare_payload")
    harness.lemma(m, f"{path}_counted", order.inside == slice_.o.valid + spare)
    harness.lemma(m, f"{path}_ready", ~(slice_.i.ready & spare))
    harness.lemma(m, f"{path}_inside", ~order.tagged | (order.ahead < order.inside))
    here = Mux(order.ahead == 0, words[0][bits], words[1][bits])
    harness.lemma(m, f"{path}_is_here", ~order.tagged | (here == order.word))


def _relate_answer(harness: Harness, m: Module, order: TaggedOrder, name: str, word: Value) -> None:
    """Say that the one answer which ``order`` counts is on the port."""
    first = (order.ahead == 0) & (order.inside == 1)
    harness.lemma(m, f"{name}_is_first", ~order.tagged | first)
    harness.lemma(m, f"{name}_is_here", ~order.tagged | (word == order.word))


AXI_LITE = Proof(
    subject=AxiLite,
    harness=lambda lite: AxiLiteHarness(lite()),
    bug=Bug(
        "            w.o.ready.eq(write),\n",
        "            w.o.ready.eq(w.o.valid & (~self.b.valid | self.b.ready)),\n",
    ),
    depth=8,
    cover=8,
    induction=4,
)
