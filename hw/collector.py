"""Collector: fetches drained blocks from the clusters, job after job."""

from typing import Final

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.one_hot import OneHot
from hw.pipeline import delay
from hw.shapes import JOB_WIDTH, ItemKind, bundle, item_shape, job_shape
from hw.status import status_shape
from spec.arch import ArchConfig

__all__ = ["Collector"]

_STATES: Final = ("choose", "header", "words", "trailer", "status")
_LENGTH: Final = "length"
"""State that asks for a header's second word, where it takes two."""


class Collector(wiring.Component):
    """Send requests down the collect chain, one block at a time, clusters in turn.

    Blocks of a later job wait until every block of the current one is fetched, so answers come job by
    job and parts of one block meet in the slot that sums them. A block takes ``arch.collect_cycles``
    cycles while the egress has room. Status packets go between blocks.

    Parameters
    ----------
    arch : ArchConfig
    egress_depth : int
        Items that the egress has room for.

    Members
    -------
    clear : In(1)
        Pulse: a layer starts; turns begin anew, so that equal layers take equal time.
    job_valid, job : In
        Pulse: a job starts, with so many blocks.
    ready, ready_job : In
        Pulse per cluster: a block is complete, and its job number; at most two blocks of a cluster wait.
    status : In(stream.Signature(status_shape(arch)))
    credit : In
        Items that the egress has got rid of in this cycle.
    request, literal : Out
        Head of the collect chain, an item per cycle; ``literal`` is the word of a status item, else 0.
    empty : Out(1)
        The egress holds nothing, unless the item of the cycle before is the first.
    """

    CREDIT_CYCLES = 7
    """Cycles from an item's end in the egress to one sent for it, and items that are not counted yet."""

    clear: Signal
    job_valid: Signal
    job: data.View
    ready: Signal
    ready_job: data.View
    status: stream.Interface
    credit: Signal
    request: data.View
    literal: Signal
    empty: Signal

    def __init__(self, arch: ArchConfig, egress_depth: int) -> None:
        self.arch: Final = arch
        self.egress_depth: Final = egress_depth
        super().__init__(
            {
                "clear": In(1),
                "job_valid": In(1),
                "job": In(job_shape(arch)),
                "ready": In(arch.clusters),
                "ready_job": In(data.ArrayLayout(JOB_WIDTH, arch.clusters)),
                "status": In(stream.Signature(status_shape(arch))),
                "credit": In(2),
                "request": Out(item_shape(arch)),
                "literal": Out(arch.stream_width),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        item = self.request
        self._fetching = Signal(name="fetching")
        credits = Signal(range(self.egress_depth + 1), init=self.egress_depth)
        go, last_block, finish = Signal(init=1), Signal(), Signal()
        chosen, word = Signal(item.cluster.shape()), Signal(item.address.shape())
        eligible = self._track(m, chosen, finish, last_block)
        m.d.comb += [
            self.empty.eq(credits == self.egress_depth),
            item.cluster.eq(chosen),
            item.address.eq(word),
            self.literal.eq(Mux(self.status.ready, self.status.payload.data, 0)),
        ]
        spent = delay(m, item.kind != ItemKind.IDLE, 1, "spent", reset_less=False)
        m.d.sync += [
            credits.eq(credits - spent + self.credit),
            # Items of this cycle and the last two are not counted yet.
            go.eq(credits > 3),
        ]
        with m.If(self.clear):
            m.d.sync += chosen.eq(0)
        sender = OneHot(m, (*_STATES, _LENGTH) if self.arch.header_words > 1 else _STATES)
        with sender.state("choose"):
            m.d.sync += word.eq(0)
            with m.If(self.status.valid):
                sender.enter("status")
            with m.If(~self.status.valid & eligible.any()):
                m.d.sync += chosen.eq(self._next(m, eligible, chosen))
                sender.enter("header")
        self._fetch(m, sender, go, word, last_block, finish)
        with sender.state("status"):
            m.d.comb += self.status.ready.eq(go)
            with m.If(self.status.valid & go):
                m.d.comb += item.kind.eq(self.status.payload.kind)
                with m.If(self.status.payload.kind == ItemKind.STATUS_TRAILER):
                    sender.enter("choose")
        return m

    def _fetch(
        self, m: Module, sender: OneHot, go: Signal, word: Signal, last_block: Signal, finish: Signal
    ) -> None:
        """States that fetch one block from the chosen cluster."""
        item, words = self.request, self.arch.words_per_block
        # That a word is the last one is known a cycle ahead: its number may lie where the clusters are.
        ends = Signal()
        with sender.state("header"):
            m.d.sync += ends.eq(words == 1)
            with m.If(go):
                m.d.comb += [item.kind.eq(ItemKind.BLOCK_HEADER), self._fetching.eq(1)]
                sender.enter(_LENGTH if self.arch.header_words > 1 else "words")
        if self.arch.header_words > 1:
            with sender.state(_LENGTH), m.If(go):
                m.d.comb += item.kind.eq(ItemKind.BLOCK_LENGTH)
                sender.enter("words")
        with sender.state("words"), m.If(go):
            m.d.comb += item.kind.eq(ItemKind.BLOCK_DATA)
            m.d.sync += [word.eq(word + 1), ends.eq(word == words - 2)]
            with m.If(ends):
                sender.enter("trailer")
        with sender.state("trailer"), m.If(go):
            m.d.comb += [item.kind.eq(ItemKind.BLOCK_TRAILER), item.job_end.eq(last_block)]
            m.d.comb += finish.eq(1)
            sender.enter("choose")

    def _track(self, m: Module, chosen: Signal, finish: Signal, last_block: Signal) -> Signal:
        """Follow jobs and finished blocks; return which clusters have a block of the current job.

        That is known a cycle late, so a block stops counting with its header: three cycles at least before
        the next choice.
        """
        totals = Array(Signal(self.job.blocks.shape(), name=f"total_{n}") for n in range(1 << JOB_WIDTH))
        newest, current, fetched = Signal(JOB_WIDTH), Signal(JOB_WIDTH), Signal(self.job.blocks.shape())
        with m.If(self.job_valid):
            m.d.sync += [totals[newest].eq(self.job.blocks), newest.eq(newest + 1)]
        m.d.sync += last_block.eq(fetched + 1 == totals[current])
        with m.If(finish):
            m.d.sync += fetched.eq(fetched + 1)
            with m.If(last_block):
                m.d.sync += [fetched.eq(0), current.eq(current + 1)]
        eligible = Signal(self.arch.clusters)
        for n in range(self.arch.clusters):
            # Both halves of the cluster's output buffer may be waiting.
            jobs = bundle(data.ArrayLayout(JOB_WIDTH, 2), f"jobs_{n}")
            count = Signal(range(3), name=f"count_{n}")
            pop, place = Signal(name=f"pop_{n}"), Signal(name=f"place_{n}")
            m.d.comb += [
                pop.eq(self._fetching & (chosen == n)),
                place.eq(count - pop),
            ]
            m.d.sync += eligible[n].eq((count != 0) & (jobs[0] == current))
            m.d.sync += count.eq(count + self.ready[n] - pop)
            with m.If(pop):
                m.d.sync += jobs[0].eq(jobs[1])
            with m.If(self.ready[n]):
                m.d.sync += jobs[place].eq(self.ready_job[n])
        return eligible

    def _next(self, m: Module, eligible: Signal, chosen: Signal) -> Signal:
        """First eligible cluster after the one chosen last."""
        clusters = self.arch.clusters
        following = Signal(self.request.cluster.shape())
        later = Signal(clusters)
        m.d.comb += later.eq(eligible & ~((2 << chosen) - 1)[:clusters])
        for candidates in (eligible, later):
            for n in reversed(range(clusters)):
                with m.If(candidates[n]):
                    m.d.comb += following.eq(n)
        return following
