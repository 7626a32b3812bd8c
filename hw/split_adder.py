"""Split adder: sums the psums of blocks that several clusters multiplied part by part."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory
from hw.pipeline import delay
from hw.shapes import ItemKind, bundle, header_shape, item_shape, offer_shape
from spec.arch import ArchConfig
from spec.packet import Opcode

__all__ = ["SplitAdder"]


class SplitAdder(wiring.Component):
    """Pass whole blocks on; keep the parts of split ones in their slot until the last part arrives.

    Latency ``LATENCY`` cycles; one item per cycle. Writes a block's header word on the way.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    clear : In(1)
        Pulse: forget parts of an abandoned job.
    tag : In(8)
        Of the layer, for header words.
    item : In(item_shape(arch))
    answer : In(stream_width)
        Word of ``item``, of the end of the collect chain: an offer, psums, a status word, or 0.
    kind, word : Out
        Of the item; the word of a BLOCK_HEADER item is the header of an answer.
    emit : Out(1)
        The item is part of an answer; else it only went into its slot.
    job_end : Out(1)
        Pulse: the item is a job's last.
    """

    LATENCY = BlockMemory.LATENCY + 1

    clear: Signal
    tag: Signal
    item: data.View
    answer: Signal
    kind: enum.EnumView
    word: Signal
    emit: Signal
    job_end: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
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
        arch, item, wait = self.arch, self.item, BlockMemory.LATENCY
        offer = data.View(offer_shape(arch), self.answer[: offer_shape(arch).size])
        opens, sums, emits, slot = self._parts(m, offer)
        header = bundle(header_shape(), "header")
        word, is_data = Signal(arch.stream_width), Signal()
        m.d.comb += [
            header.opcode.eq(Opcode.PSUMS),
            header.cluster.eq(item.cluster),
            header.argument.eq(offer.sequence),
            header.length.eq(arch.words_per_block),
            header.tag.eq(self.tag),
            word.eq(Mux(opens, header, self.answer)),
            is_data.eq(item.kind == ItemKind.BLOCK_DATA),
        ]
        partial = self._slots(m, delay(m, is_data & ~emits, wait, "keep", reset_less=False), slot)
        adding = delay(m, is_data & sums, wait, "adding")
        arriving = delay(m, word, wait, "arriving")
        total = Signal(arch.stream_width, reset_less=True)
        for n in range(arch.psums_per_word):
            own, other = (words.word_select(n, arch.output_width) for words in (arriving, partial))
            m.d.sync += total.word_select(n, arch.output_width).eq(own + Mux(adding, other, 0))
        m.d.comb += [
            self.word.eq(total),
            self.kind.eq(delay(m, item.kind, self.LATENCY, "kind", reset_less=False)),
            self.emit.eq(delay(m, emits, self.LATENCY, "emit")),
            self.job_end.eq(delay(m, item.job_end, self.LATENCY, "job_end", reset_less=False)),
        ]
        return m

    def _parts(self, m: Module, offer: data.View) -> tuple[Signal, Signal, Signal, Signal]:
        """Count parts per slot; return: a block opens, its psums are added, it is emitted, its slot."""
        arch, item = self.arch, self.item
        arrived = bundle(data.ArrayLayout(8, arch.split_slots), "arrived")
        opens, complete = Signal(), Signal()
        sums, emitting, slot = Signal(), Signal(), Signal(offer.slot.shape())
        emits = Signal()
        block = Cat(
            item.kind == kind for kind in (ItemKind.BLOCK_HEADER, ItemKind.BLOCK_DATA, ItemKind.BLOCK_TRAILER)
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
