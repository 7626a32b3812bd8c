"""Split adder: sums the psums of blocks that several clusters multiplied part by part."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory
from hw.pipeline import delay
from hw.shapes import ItemKind, header_shape, item_shape, offer_shape
from spec.arch import ArchConfig
from spec.packet import Opcode

__all__ = ["SplitAdder"]


class SplitAdder(wiring.Component):
    """Pass whole blocks on; keep the parts of split ones in their slot until the last part arrives.

    Latency ``LATENCY`` cycles; one item per cycle. Writes a block's header word on the way.

    Members
    -------
    clear : In(1)
        Pulse: forget parts of an abandoned job.
    tag : In(8)
    item, answer : In
        End of the collect chain, aligned.
    kind, word, emit, job_end : Out
        ``emit``: the item is part of an answer; else it only went into its slot.
    """

    LATENCY = BlockMemory.LATENCY + 1

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "clear": In(1),
                "tag": In(8),
                "item": In(item_shape(arch)),
                "answer": In(arch.stream_width),
                "kind": Out(ItemKind),
                "word": Out(arch.stream_width),
                "emit": Out(1),
                "job_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        item = self.item
        offer = data.View(offer_shape(self.arch), self.answer[: offer_shape(self.arch).size])
        opens, sums, emits, slot = self._parts(m, offer)
        header = Signal(header_shape())
        m.d.comb += [
            header.opcode.eq(Opcode.PSUMS),
            header.cluster.eq(item.cluster),
            header.argument.eq(offer.sequence),
            header.length.eq(self.arch.words_per_block),
            header.tag.eq(self.tag),
        ]
        wait = BlockMemory.LATENCY
        is_data = item.kind == ItemKind.BLOCK_DATA
        word = Signal(self.arch.stream_width)
        m.d.comb += word.eq(Mux(opens, header, self.answer))
        partial = self._slots(m, delay(m, is_data & ~emits, wait, "keep", reset_less=False), slot)
        adding = delay(m, is_data & sums, wait, "adding")
        arriving = delay(m, word, wait, "arriving")
        total = Signal(self.arch.stream_width, reset_less=True)
        width = self.arch.psum_width
        for n in range(self.arch.psums_per_word):
            own, other = arriving.word_select(n, width), partial.word_select(n, width)
            m.d.sync += total.word_select(n, width).eq(own + Mux(adding, other, 0))
        kind = delay(m, item.kind, self.LATENCY, "kind", reset_less=False)
        m.d.comb += [
            self.word.eq(total),
            self.kind.eq(kind),
            self.emit.eq(delay(m, emits, self.LATENCY, "emit")),
            self.job_end.eq(delay(m, item.job_end, self.LATENCY, "job_end", reset_less=False)),
        ]
        return m

    def _parts(self, m: Module, offer: data.View) -> tuple[Signal, Signal, Signal, Signal]:
        """Count parts per slot; return: a block opens, its psums are added, it is emitted, its slot."""
        arch, item = self.arch, self.item
        arrived = Signal(data.ArrayLayout(8, arch.split_slots))
        opens, complete = Signal(), Signal()
        sums, emitting, slot = Signal(), Signal(), Signal(offer.slot.shape())
        emits = Signal()
        block = Cat(
            item.kind == kind
            for kind in (ItemKind.BLOCK_HEADER, ItemKind.BLOCK_DATA, ItemKind.BLOCK_TRAILER)
        ).any()
        m.d.comb += [
            opens.eq(item.kind == ItemKind.BLOCK_HEADER),
            complete.eq(~offer.split | (arrived[offer.slot] == offer.others)),
            emits.eq(~block | Mux(opens, complete, emitting)),
        ]
        with m.If(opens):
            m.d.sync += [
                slot.eq(offer.slot),
                sums.eq(offer.split & (arrived[offer.slot] != 0)),
                emitting.eq(complete),
            ]
            with m.If(offer.split):
                m.d.sync += arrived[offer.slot].eq(Mux(complete, 0, arrived[offer.slot] + 1))
        with m.If(self.clear):
            m.d.sync += arrived.eq(0)
        return opens, sums, emits, slot

    def _slots(self, m: Module, keep: Value, slot: Signal) -> Value:
        """Slot memory: read what a slot holds, write back the sum one cycle after it is there."""
        arch = self.arch
        address_bits = (arch.words_per_block - 1).bit_length()
        m.submodules.slots = slots = BlockMemory(arch.stream_width, arch.split_slots << address_bits)
        address = Signal(len(slots.read_address))
        m.d.comb += [
            address.eq(Cat(self.item.address[:address_bits], slot)),
            slots.read_address.eq(address),
            slots.write_address.eq(delay(m, address, self.LATENCY, "address")),
            slots.write_enable.eq(delay(m, keep, 1, "keep_sum", reset_less=False)),
            slots.write_data.eq(self.word),
        ]
        return slots.read_data
