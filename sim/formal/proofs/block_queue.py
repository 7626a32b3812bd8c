"""The queue in block RAM: in order, never more than it has room for, and it moves."""

from amaranth.hdl import Module, Mux, Signal

from hw.block_queue import BlockQueue
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof

__all__ = ["BLOCK_QUEUE"]

_WIDTH, _DEPTH, _PATIENCE = 4, 4, 3


class BlockQueueHarness(Harness):
    """Whoever sends has a credit for each entry of the memory, and gets one back for each that leaves."""

    def describe(self, m: Module) -> None:
        queue, inside = self.component, self.interior
        o = self.sink(m, "o", queue.o, _PATIENCE)
        moved = (o.moved, queue.o.payload)
        order = self.order(m, "order", (queue.i.valid, queue.i.payload), moved, most=_DEPTH)
        self.suppose(m, "credit", ~queue.i.valid | (order.inside < _DEPTH))
        self.claim(m, "always_ready", queue.i.ready)
        self.within(m, "moves", 2, (order.inside != 0) & ~queue.o.valid)
        self.reach(m, "full", (order.inside == _DEPTH) & order.tagged & (order.ahead == _DEPTH - 1))
        # A bubble between two entries closes while the one in front waits.
        head, tail, fetched = (inside.signal(name) for name in ("head", "tail", "fetched"))
        self.within(m, "closes_up", 1, (head != tail) & ~fetched)

        stored = Signal.like(head, name="stored")
        place, behind = Signal(range(_DEPTH), name="place"), Signal(range(_DEPTH), name="behind")
        m.d.comb += [
            stored.eq(tail - head),
            behind.eq(order.ahead - queue.o.valid),
            place.eq(head + behind - fetched),
        ]
        memory = inside.word("words", place, _WIDTH)
        later = Mux(fetched & (behind == 0), inside.signal("entry"), memory)
        here = Mux(queue.o.valid & (order.ahead == 0), queue.o.payload, later)
        self.lemma(m, "counted", order.inside == stored + fetched + queue.o.valid)
        self.lemma(m, "fits", stored <= _DEPTH)
        self.lemma(m, "tag_is_inside", ~order.tagged | (order.ahead < order.inside))
        self.lemma(m, "tag_is_here", ~order.tagged | (here == order.word))


BLOCK_QUEUE = Proof(
    subject=BlockQueue,
    harness=lambda queue: BlockQueueHarness(queue(_WIDTH, _DEPTH)),
    bug=Bug("fetch.eq(~fetched | take)", "fetch.eq(take | self.o.ready)"),
    depth=8,
    cover=10,
    induction=3,
)
