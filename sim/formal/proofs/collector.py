"""The collector: whole packets, of blocks that are there, and no item without a credit."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.collector import Collector
from hw.pipeline import delay
from hw.shapes import ItemKind
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["COLLECTOR"]

_ARCH: Final = ArchConfig(
    clusters=2,
    lanes=2,
    tokens=1,
    segment=4,
    psum_width=32,
    activation_depth=4,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=2,
)
_DEPTH: Final = 5
_WORDS: Final = _ARCH.words_per_block
_PAUSE: Final = 1
"""Cycles without an item when every credit is back: the last one is counted, or a packet is chosen."""


class CollectorHarness(Harness):
    """Clusters with up to two blocks each, of any job; an egress that gives back what it got, at any time."""

    def describe(self, m: Module) -> None:
        collector = self.component
        item, status = collector.request, collector.status
        kind, moves = Value.cast(item.kind), Signal()
        m.d.comb += moves.eq(kind != ItemKind.IDLE.value)
        self.suppose_no_reset(m)
        stream = self.source(m, "status", status)
        held = self._credits(m, moves)
        opened, inside, number, cluster = Signal(), Signal(), Signal(range(_WORDS + 1)), Signal()
        telling = Signal()
        m.d.comb += [opened.eq(kind == ItemKind.BLOCK_HEADER.value), telling.eq(kind >= 4)]
        with m.If(opened):
            m.d.sync += [inside.eq(1), cluster.eq(item.cluster), number.eq(0)]
        with m.If(kind == ItemKind.BLOCK_DATA.value):
            m.d.sync += number.eq(number + 1)
        with m.If(kind == ItemKind.BLOCK_TRAILER.value):
            m.d.sync += inside.eq(0)
        of_a_block = (kind == ItemKind.BLOCK_DATA.value) | (kind == ItemKind.BLOCK_TRAILER.value)
        self.claim(m, "block_is_whole", ~of_a_block | (inside & (item.cluster == cluster)))
        self.claim(m, "not_interleaved", ~((opened | telling) & inside))
        self.claim(m, "addresses", (kind != ItemKind.BLOCK_DATA.value) | (item.address == number))
        self.claim(m, "every_word", (kind != ItemKind.BLOCK_TRAILER.value) | (number == _WORDS))
        self.claim(m, "status_is_sent", stream.moved == telling)
        self.claim(m, "status_item", ~telling | (kind == Value.cast(status.payload.kind)))
        self.claim(m, "literal", ~moves | (collector.literal == Mux(telling, status.payload.data, 0)))
        self._packets_of_status(m, stream.moved)
        waiting = [self._blocks(m, n, opened) for n in range(_ARCH.clusters)]
        busy = inside | Cat(waiting).any() | collector.ready.any()
        self.suppose(m, "layers_start_when_idle", ~(collector.clear & busy))
        # An egress that holds nothing keeps nobody waiting: a packet goes on, and one of the status begins.
        self.within(m, "moves", _PAUSE, (stream.waits | inside) & ~moves & (held == 0))
        self.reach(m, "second_cluster", (kind == ItemKind.BLOCK_TRAILER.value) & cluster & item.job_end)

    def _packets_of_status(self, m: Module, moved: Value) -> None:
        """What the status writer is proven to send: header, words, trailer."""
        kind, inside = Value.cast(self.component.status.payload.kind), Signal()
        with m.If(moved):
            m.d.sync += inside.eq(kind != ItemKind.STATUS_TRAILER.value)
        first = kind == ItemKind.STATUS_HEADER.value
        later = (kind == ItemKind.STATUS_DATA.value) | (kind == ItemKind.STATUS_TRAILER.value)
        self.suppose(m, "status_packets", ~self.component.status.valid | Mux(inside, later, first))

    def _credits(self, m: Module, moves: Signal) -> Signal:
        """Return the items that the egress holds: as many as it has room for, at most."""
        collector, held = self.component, Signal(range(2 * _DEPTH))
        m.d.sync += held.eq(held + moves - collector.credit)
        self.suppose(m, "gives_back_what_it_has", (collector.credit <= held) & (collector.credit < 3))
        self.claim(m, "never_too_many", held <= _DEPTH)
        before = delay(m, moves, 1, "moved_before", reset_less=False)
        self.claim(m, "empty", ~collector.empty | (held == before))
        self.reach(m, "nearly_full", held == _DEPTH - 1)
        return held

    def _blocks(self, m: Module, n: int, opened: Signal) -> Signal:
        """A block is fetched once, when it is there; return how many of this cluster are."""
        collector, waiting = self.component, Signal(range(4), name=f"waiting_{n}")
        fetched = opened & (collector.request.cluster == n)
        m.d.sync += waiting.eq(waiting + collector.ready[n] - fetched)
        self.suppose(m, f"two_halves_{n}", ~collector.ready[n] | (waiting < 2))
        self.claim(m, f"block_{n}_is_there", ~fetched | (waiting != 0))
        return waiting


COLLECTOR = Proof(
    subject=Collector,
    harness=lambda collector: CollectorHarness(collector(_ARCH, _DEPTH)),
    bug=Bug("go.eq(credits > 3)", "go.eq(credits > 0)"),
    depth=14,
    cover=24,
)
