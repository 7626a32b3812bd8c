"""The egress: words in order, a CRC where a trailer came, and never more than it has room for."""

from typing import Any, Final

from amaranth.hdl import Cat, Module, Mux, Signal

from hw.checksum import Checksum
from hw.egress import Egress
from hw.pipeline import delay
from hw.shapes import ItemKind
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from sim.formal.proofs.queue import relate_queue
from spec.arch import ArchConfig

__all__ = ["EGRESS"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=1)
_DEPTH, _PATIENCE = 4, 3
_WAY: Final = 2
"""Cycles from an item to the queue."""


class EgressHarness(Harness):
    """The sender has ``_DEPTH`` credits.

    The CRC is that of the checksum inside, which has a proof of its own; here it is claimed that it is fed
    right.
    """

    def describe(self, m: Module) -> None:
        egress, kind = self.component, self.component.kind
        o = self.sink(m, "o", egress.o, _PATIENCE)
        present = (kind != ItemKind.IDLE) & egress.emit
        trailer = (kind == ItemKind.BLOCK_TRAILER) | (kind == ItemKind.STATUS_TRAILER)
        header = (kind == ItemKind.BLOCK_HEADER) | (kind == ItemKind.STATUS_HEADER)
        crc = self.interior.owner("checksum")
        counts = present & ~trailer
        self.claim(m, "crc_of_every_word", (crc.valid == counts) & (~counts | (crc.data == egress.word)))
        self.claim(m, "crc_from_the_header_on", ~counts | (crc.start == header))
        on_its_way = [Signal(name=f"on_its_way_{n}") for n in range(_WAY)]
        m.d.sync += Cat(on_its_way).eq(Cat(present, on_its_way[:-1]))
        word = delay(m, egress.word, _WAY, "item_word", reset_less=False)
        ends = delay(m, trailer, _WAY, "item_ends", reset_less=False)
        # Taken a cycle ahead of the item: a cycle later the next packet may have begun.
        due = Mux(ends, delay(m, crc.crc, 1, "crc", reset_less=False), word)
        order = self.order(m, "order", (on_its_way[-1], due), (o.moved, egress.o.payload), most=_DEPTH)

        spent = Signal(range(_DEPTH + 2))
        m.d.sync += spent.eq(spent + (kind != ItemKind.IDLE) - egress.credit)
        self.suppose(m, "credit", (kind == ItemKind.IDLE) | (spent < _DEPTH))
        held = order.inside + sum(on_its_way[1:], on_its_way[0]) + egress.credit
        self.claim(m, "credits_come_back", spent == held)
        self.within(m, "moves", 1, (order.inside != 0) & ~egress.o.valid)
        self.reach(m, "crc_behind_a_word", o.moved & order.tagged & (order.ahead == 1) & ends)
        self.reach(m, "full", order.inside == _DEPTH)

        relate_queue(self, m, order, "queue")


def _with_a_short_loop(egress: Any) -> Any:
    """Return the egress with its checksum in the basis that a solver is quicker in; both have a proof."""

    class ShortLoop(egress):  # type: ignore[misc]  # a class made at run time
        def _checksum(self) -> Checksum:
            return Checksum(self.arch.stream_width)

    return ShortLoop


EGRESS = Proof(
    subject=Egress,
    harness=lambda egress: EgressHarness(_with_a_short_loop(egress)(_ARCH, _DEPTH)),
    bug=Bug("dropped.eq((self.kind != ItemKind.IDLE) & ~self.emit)", "dropped.eq(present & ~self.emit)"),
    depth=8,
    cover=10,
    induction=4,
)
