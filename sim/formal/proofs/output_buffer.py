"""The output buffer: a block's psums come back word for word, and neither half is overwritten."""

from typing import Final

from amaranth.asserts import AnyConst, AnySeq  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Module, Signal

from hw.output_buffer import OutputBuffer
from hw.pipeline import delay
from hw.shapes import ItemKind
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["OUTPUT_BUFFER"]

_ARCH: Final = ArchConfig(
    clusters=1,
    lanes=2,
    tokens=1,
    segment=4,
    psum_width=32,
    activation_depth=4,
    value_depth=64,
    record_depth=2,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
_CHUNKS: Final = _ARCH.groups * _ARCH.tokens
"""Cycles of psums in a block, each a stream word."""


class OutputBufferHarness(Harness):
    """A drain that starts with room, one after the other; a collector that asks for complete blocks only.

    The solver picks a word of a block as it comes; ``behind`` counts the blocks to be freed before its own.
    """

    def describe(self, m: Module) -> None:
        buffer = self.component
        left, complete, held = Signal(range(_CHUNKS + 1)), Signal(range(4)), Signal(range(4))
        mine = buffer.request.cluster == buffer.index
        frees = mine & (buffer.request.kind == ItemKind.BLOCK_TRAILER)
        reads = mine & (buffer.request.kind == ItemKind.BLOCK_DATA)
        offers = mine & (buffer.request.kind == ItemKind.BLOCK_HEADER)
        m.d.sync += complete.eq(complete + buffer.ready - frees)
        m.d.sync += held.eq(held + buffer.describe - frees)
        with m.If(buffer.describe):
            m.d.sync += left.eq(_CHUNKS)
        with m.Elif(buffer.psums_valid):
            m.d.sync += left.eq(left - 1)
        index = Signal.like(buffer.index)
        m.d.comb += index.eq(AnyConst(len(index)))
        self.suppose_no_reset(m)
        self.suppose(m, "one_place", buffer.index == index)
        self.suppose(m, "described_with_room", ~buffer.describe | (buffer.room & (left == 0)))
        self.suppose(m, "psums_of_a_block", ~buffer.psums_valid | (left != 0))
        self.suppose(m, "asks_when_complete", ~(offers | reads | frees) | (complete != 0))
        self.suppose(m, "addresses", buffer.request.address < _CHUNKS)
        self.claim(m, "room", buffer.room == (held != 2))
        self.claim(m, "complete_is_held", complete <= held)
        ends = delay(m, buffer.psums_valid & (left == 1), buffer.READY_LATENCY, "ends", reset_less=False)
        self.claim(m, "ready", buffer.ready == ends)
        self._follow(m, left, held, reads, frees)

    def _follow(self, m: Module, left: Signal, held: Signal, reads: Signal, frees: Signal) -> None:
        buffer = self.component
        pick, tagged, behind = Signal(), Signal(), Signal(range(4))
        word, place = Signal(_ARCH.stream_width), Signal.like(buffer.request.address)
        m.d.comb += pick.eq(AnySeq(1))
        with m.If(frees & tagged):
            m.d.sync += [tagged.eq(behind != 0), behind.eq(behind - 1)]
        with m.If(buffer.psums_valid & pick & ~tagged):
            m.d.sync += [tagged.eq(1), word.eq(buffer.psums), place.eq(_CHUNKS - left)]
            m.d.sync += behind.eq(held - 1 - frees)
        asked = reads & tagged & (behind == 0) & (buffer.request.address == place)
        answers = delay(m, asked, buffer.LATENCY, "asked", reset_less=False)
        due = delay(m, word, buffer.LATENCY, "due")
        self.claim(m, "word", ~answers | (buffer.data == due))
        others = delay(m, buffer.request.cluster != buffer.index, buffer.LATENCY, "others", reset_less=False)
        self.claim(m, "silent", ~others | (buffer.data == 0))
        self.reach(m, "second_word", answers & (place == 1) & (due == 0x1234) & (held == 1))
        self.reach(m, "both_halves", answers & ~buffer.room)


OUTPUT_BUFFER = Proof(
    subject=OutputBuffer,
    harness=lambda buffer: OutputBufferHarness(buffer(_ARCH)),
    bug=Bug("free.eq(mine & (kind == ItemKind.BLOCK_TRAILER))", "free.eq(kind == ItemKind.BLOCK_TRAILER)"),
    depth=10,
    cover=16,
)
