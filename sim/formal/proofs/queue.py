"""The queue: in order, never more than it has room for, and it moves."""

from amaranth.hdl import Module, Mux, Signal, Value

from hw.queue import Queue
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.order import TaggedOrder
from sim.formal.proof import Proof

__all__ = ["QUEUE", "relate_queue"]

_WIDTH, _DEPTH, _PATIENCE = 4, 4, 3


class QueueHarness(Harness):
    """Whoever sends has a credit for each entry of the memory, and gets one back for each that leaves."""

    def describe(self, m: Module) -> None:
        queue = self.component
        o = self.sink(m, "o", queue.o, _PATIENCE, queue.clear)
        order = self.order(
            m,
            "order",
            (queue.i.valid, queue.i.payload),
            (o.moved, queue.o.payload),
            most=_DEPTH,
            clear=queue.clear,
        )
        self.suppose(m, "credit", ~queue.i.valid | (order.inside < _DEPTH))
        self.claim(m, "always_ready", queue.i.ready)
        self.within(m, "moves", 1, (order.inside != 0) & ~queue.o.valid & ~queue.clear)
        self.reach(m, "full", (order.inside == _DEPTH) & order.tagged & (order.ahead == _DEPTH - 1))
        relate_queue(self, m, order)


def relate_queue(harness: Harness, m: Module, order: TaggedOrder, path: str = "") -> None:
    """Say where the words are that ``order`` counts in the queue that is submodule ``path``.

    The tagged word is in the output register, or in the memory where its turn says.
    """
    inside, dot = harness.interior, f"{path}." if path else ""
    queue, head, tail = inside.owner(path), inside.signal(f"{dot}head"), inside.signal(f"{dot}tail")
    prefix = f"{path}_" if path else ""
    payload = Value.cast(queue.o.payload)
    stored = Signal.like(head, name=f"{prefix}stored")
    place = Signal(range(queue.depth), name=f"{prefix}place")
    m.d.comb += [stored.eq(tail - head), place.eq(head + order.ahead - queue.o.valid)]
    memory = inside.word(f"{dot}storage", place, len(payload))
    here = Mux(queue.o.valid & (order.ahead == 0), payload, memory)
    harness.lemma(m, f"{prefix}counted", order.inside == stored + queue.o.valid)
    harness.lemma(m, f"{prefix}fits", stored <= queue.depth)
    harness.lemma(m, f"{prefix}tag_is_inside", ~order.tagged | (order.ahead < order.inside))
    harness.lemma(m, f"{prefix}tag_is_here", ~order.tagged | (here == order.word))


QUEUE = Proof(
    subject=Queue,
    harness=lambda queue: QueueHarness(queue(_WIDTH, _DEPTH)),
    bug=Bug("pop.eq(take & ~empty)", "pop.eq(self.o.ready & ~empty)"),
    depth=8,
    cover=10,
    induction=2,
)
