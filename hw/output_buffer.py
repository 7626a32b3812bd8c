"""Output buffer: drained blocks wait here, packed into stream words, until the collector fetches them."""

from functools import reduce
from operator import or_
from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, View
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from hw.shapes import JOB_WIDTH, ItemKind, bundle, closed_shape, item_shape, offer_shape, part_shape
from spec.arch import ArchConfig

__all__ = ["OutputBuffer"]


class OutputBuffer(wiring.Component):
    """Two halves of one block each: one fills at L psums per drain tree and cycle while the other is read.

    What a tree gives out has a memory of its own; a stream word lies in one of them.

    Latency ``LATENCY`` cycles from ``request`` to ``data``, one request per cycle. A complete block is
    announced ``READY_LATENCY`` cycles after its last psums.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    index : In
        Number of the cluster.
    psums, psums_valid : In
        From each drain tree: L at a time, in the order group row, token, lane; the last tree ends last.
        Sign-extended to ``output_width`` here.
    describe, closed : In
        Pulse: a drain starts, of this block.
    room : Out(1)
        A half is free for one more drain.
    ready, ready_job : Out
        Pulse: a block is complete; number of its job.
    request : In(item_shape(arch))
        BLOCK_HEADER answers with an offer, BLOCK_DATA with a word, BLOCK_TRAILER frees the half.
    data : Out(stream_width)
        Answer, or 0 when not asked.
    """

    LATENCY = BlockMemory.LATENCY + 1
    READY_LATENCY = 2

    index: Signal
    psums: View
    psums_valid: Signal
    describe: Signal
    closed: View
    room: Signal
    ready: Signal
    ready_job: Signal
    request: View
    data: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "index": In(item_shape(arch)["cluster"].shape),
                "psums": In(ArrayLayout(arch.lanes * arch.psum_width, arch.drain_trees)),
                "psums_valid": In(arch.drain_trees),
                "describe": In(1),
                "closed": In(closed_shape(arch)),
                "room": Out(1),
                "ready": Out(1),
                "ready_job": Out(JOB_WIDTH),
                "request": In(item_shape(arch)),
                "data": Out(arch.stream_width),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of a tree's memory, both halves; a word is one of the stream, or the L psums of a cycle."""
        chunk = arch.lanes * arch.output_width
        width = max(arch.stream_width, chunk)
        words = -(-arch.groups * arch.row_cycles // (width // chunk))
        return MemorySize(width, 2 << (words - 1).bit_length())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kind, wait = self.request.kind, BlockMemory.LATENCY
        offers = self._describe(m)
        read_half, mine, free = Signal(), Signal(), Signal()
        used = Signal(range(3))
        m.d.comb += [
            mine.eq(self.request.cluster == self.index),
            free.eq(mine & (kind == ItemKind.BLOCK_TRAILER)),
            self.room.eq(used != 2),
        ]
        m.d.sync += used.eq(used + self.describe - free)
        with m.If(free):
            m.d.sync += read_half.eq(~read_half)
        words = self._read(m, mine & (kind == ItemKind.BLOCK_DATA), read_half)

        offer = delay(m, offers[read_half], wait, "offer")
        is_offer = delay(m, mine & (kind == ItemKind.BLOCK_HEADER), wait, "is_offer", reset_less=False)
        # Registers with a clear instead of gates; their OR is taken where the answer joins the chain.
        told = Signal(self.arch.stream_width, name="told", reset_less=True)
        m.d.sync += told.eq(Mux(is_offer, offer, 0))
        m.d.comb += self.data.eq(reduce(or_, words, told))
        return m

    def _describe(self, m: Module) -> View:
        """Number the job's blocks and keep one offer per half."""
        offers = bundle(ArrayLayout(offer_shape(self.arch), 2), "offers")
        jobs = bundle(ArrayLayout(JOB_WIDTH, 2), "jobs")
        sequence = Signal(offer_shape(self.arch)["sequence"].shape)
        half, ready_half = Signal(), Signal()
        closed = self.closed
        with m.If(self.describe):
            m.d.sync += [offers[half].sequence.eq(sequence)]
            for field in part_shape(self.arch):
                m.d.sync += offers[half][field].eq(closed[field])
            m.d.sync += [
                jobs[half].eq(closed.job),
                sequence.eq(Mux(closed.last, 0, sequence + 1)),
                half.eq(~half),
            ]
        m.d.comb += self.ready_job.eq(jobs[ready_half])
        with m.If(self.ready):
            m.d.sync += ready_half.eq(~ready_half)
        return offers

    def _fill(self, m: Module, tree: int) -> tuple[BlockMemory, Signal]:
        """Pack a tree's psums into words of memory; return it, and whether a half is complete.

        A word is one of the stream, or the L psums of a cycle if longer.
        """
        outputs, valid = self._extend(self.psums[tree]), self.psums_valid[tree]
        chunk = len(outputs)
        m.submodules[f"storage_{tree}"] = storage = BlockMemory(*self.memory(self.arch))
        chunks, per_word = self.arch.groups * self.arch.row_cycles, storage.width // chunk
        words = -(-chunks // per_word)
        place, number = (
            Signal(range(max(values, 2)), name=f"{name}_{tree}")
            for name, values in (("place", per_word), ("number", words))
        )
        half, last, full, done = (Signal(name=f"{name}_{tree}") for name in ("half", "last", "full", "done"))
        word = Signal(storage.width, name=f"word_{tree}", reset_less=True)
        ends = (place == per_word - 1) | (last & (place == (chunks - 1) % per_word)) if per_word > 1 else 1
        address = Cat(number[: (words - 1).bit_length()], half)
        m.d.comb += [
            last.eq(number == words - 1),
            # A register more: block RAMs lie far apart, and nothing reads a word so early.
            storage.write_enable.eq(delay(m, full, 1, f"write_{tree}", reset_less=False)),
            storage.write_address.eq(delay(m, address, 2, f"write_address_{tree}")),
            storage.write_data.eq(delay(m, word, 1, f"write_data_{tree}")),
            done.eq(delay(m, valid & ends & last, 2, f"done_{tree}", reset_less=False)),
        ]
        # Where a cycle's psums fill a word it need not be held: no enable, which would go to all its bits.
        with m.If(valid | (per_word == 1)):
            m.d.sync += word.word_select(place if per_word > 1 else 0, chunk).eq(outputs)
        m.d.sync += full.eq(valid & ends)
        with m.If(valid):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
        with m.If(valid & ends):
            m.d.sync += [number.eq(Mux(last, 0, number + 1)), half.eq(half ^ last)]
        return storage, done

    def _extend(self, given: Value) -> Value:
        """The L psums as they travel on the output stream."""
        arch = self.arch
        psums = (given.word_select(lane, arch.psum_width) for lane in range(arch.lanes))
        return Cat(Cat(psum, psum[-1].replicate(arch.output_width - arch.psum_width)) for psum in psums)

    def _read(self, m: Module, asked: Value, read_half: Signal) -> list[Signal]:
        """Return, for every tree, the stream word that ``request`` addresses if it lies there, else 0.

        From its lowest bits on, the address of a word says which part of a memory's word it is, the columns
        in their tree, the tree, and the row.
        """
        arch, address, wait = self.arch, self.request.address, BlockMemory.LATENCY
        answers = []
        for tree in range(arch.drain_trees):
            storage, done = self._fill(m, tree)
            part_bits = (storage.width // arch.stream_width).bit_length() - 1
            per_word = storage.width // (arch.lanes * arch.output_width)
            column_bits = (arch.row_cycles // per_word).bit_length() - 1
            place, where = address[part_bits:], asked
            if arch.drain_trees > 1:
                tree_bits = (arch.drain_trees - 1).bit_length()
                where = asked & (place[column_bits : column_bits + tree_bits] == tree)
                place = Cat(place[:column_bits], place[column_bits + tree_bits :])
            m.d.comb += storage.read_address.eq(Cat(place[: len(storage.read_address) - 1], read_half))
            part = delay(m, address[:part_bits], wait, f"part_{tree}") if part_bits else 0
            is_word = delay(m, where, wait, f"is_word_{tree}", reset_less=False)
            answer = Signal(arch.stream_width, name=f"answer_{tree}", reset_less=True)
            m.d.sync += answer.eq(Mux(is_word, storage.read_data.word_select(part, arch.stream_width), 0))
            answers.append(answer)
        # The columns of the last tree are reached last.
        m.d.comb += self.ready.eq(done)
        return answers
