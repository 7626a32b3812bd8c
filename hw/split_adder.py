"""Split adder: sums the psums of blocks that several clusters multiplied part by part."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5 import ecp5_gated_sum
from hw.family import Family, family_of
from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from hw.shapes import ItemKind, block_shape, bundle, item_shape, offer_shape, psums_header
from spec.arch import ArchConfig

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
        Pulse: forget parts of an abandoned job; the next offer comes more than ``CLEAR_LATENCY`` cycles
        later.
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
    block : Out(block_shape(arch)["block"])
        Of a BLOCK_HEADER item; only with an output stage.
    """

    PART_LATENCY = 2
    """Cycles from a block's offer to what becomes of it."""
    CLEAR_LATENCY = 1
    LATENCY = PART_LATENCY + BlockMemory.LATENCY + 2

    clear: Signal
    tag: Signal
    item: data.View
    answer: Signal
    kind: enum.EnumView
    word: Signal
    emit: Signal
    job_end: Signal
    block: Signal

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
            | {name: Out(shape) for name, shape in block_shape(arch).items()}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, wait = self.arch, BlockMemory.LATENCY
        item = bundle(item_shape(arch), "item_here")
        answer = delay(m, self.answer, self.PART_LATENCY, "answer")
        m.d.comb += item.eq(delay(m, Value.cast(self.item), self.PART_LATENCY, "item", reset_less=False))
        emitting, sums, slot = self._parts(m)
        offer = data.View(offer_shape(arch), answer[: offer_shape(arch).size])
        header = psums_header(m, arch, item, offer, self.tag)
        word, is_data, emits = Signal(arch.stream_width), Signal(), Signal()
        blocks = (ItemKind.BLOCK_HEADER, ItemKind.BLOCK_DATA, ItemKind.BLOCK_TRAILER)
        m.d.comb += [
            word.eq(Mux(item.kind == ItemKind.BLOCK_HEADER, header, answer)),
            is_data.eq(item.kind == ItemKind.BLOCK_DATA),
            emits.eq(emitting | ~Cat(item.kind == kind for kind in blocks).any()),
        ]
        keep = delay(m, is_data & ~emits, wait, "keep", reset_less=False)
        total = Signal(arch.stream_width, reset_less=True)
        partial = self._slots(m, item.address, keep, slot, total)
        adding = delay(m, is_data & sums, wait, "adding")
        arriving = delay(m, word, wait, "arriving")
        m.d.sync += total.eq(self._sums(m, platform, arriving, partial, adding))
        m.d.comb += [
            # A register more: sums and CRC are both wide, and far from each other.
            self.word.eq(delay(m, total, 1, "word")),
            self.kind.eq(delay(m, item.kind, wait + 2, "kind", reset_less=False)),
            self.emit.eq(delay(m, emits, wait + 2, "emit")),
            self.job_end.eq(delay(m, item.job_end, wait + 2, "job_end", reset_less=False)),
        ]
        for field in block_shape(arch):
            m.d.comb += self.block.eq(delay(m, offer[field], wait + 2, field))
        return m

    def _sums(self, m: Module, platform: object, arriving: Value, partial: Value, adding: Value) -> Value:
        """Return a word of psums, with those of ``partial`` added to them if ``adding``."""
        sums: list[Value] = []
        for n in range(self.arch.psums_per_word):
            own, other = (words.word_select(n, self.arch.output_width) for words in (arriving, partial))
            if family_of(platform) is Family.ECP5:
                sums.append(ecp5_gated_sum(m, own, other, adding, f"sum_{n}"))
            else:
                sums.append((own + Mux(adding, other, 0))[: self.arch.output_width])
        return Cat(sums)

    def _parts(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Count parts per slot; return of the block under way: it is emitted, its psums are added, its slot.

        Known ``PART_LATENCY`` cycles after the offer: look up how many parts arrived, then compare. Offers
        are three cycles apart at least.
        """
        arch = self.arch
        shape = offer_shape(arch)
        fresh = data.View(shape, self.answer[: shape.size])
        offer = data.View(shape, delay(m, Value.cast(fresh), 1, "offer"))
        arrived = bundle(data.ArrayLayout(8, arch.split_slots), "arrived")
        before, complete = Signal(8, reset_less=True), Signal()
        sums, emitting, slot = Signal(), Signal(), Signal(offer.slot.shape())
        opens = delay(m, self.item.kind == ItemKind.BLOCK_HEADER, 1, "opens", reset_less=False)
        m.d.sync += before.eq(arrived[fresh.slot])
        m.d.comb += complete.eq(~offer.split | (before == offer.others))
        with m.If(opens):
            m.d.sync += [slot.eq(offer.slot), sums.eq(offer.split & (before != 0)), emitting.eq(complete)]
        counted = delay(m, opens & offer.split, 1, "counted", reset_less=False)
        count = delay(m, before + 1, 1, "count")
        with m.If(counted):
            m.d.sync += arrived[slot].eq(Mux(emitting, 0, count))
        with m.If(delay(m, self.clear, self.CLEAR_LATENCY, "clear", reset_less=False)):
            m.d.sync += arrived.eq(0)
        return emitting, sums, slot

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of all slots."""
        return MemorySize(arch.stream_width, arch.split_slots << (arch.words_per_block - 1).bit_length())

    def _slots(self, m: Module, word: Value, keep: Value, slot: Signal, total: Signal) -> Value:
        """Slot memory: read what a slot holds, write back the sum one cycle after it is there."""
        arch = self.arch
        address_bits = (arch.words_per_block - 1).bit_length()
        m.submodules.slots = slots = BlockMemory(*self.memory(arch))
        address = Signal(len(slots.read_address))
        m.d.comb += [
            address.eq(Cat(word[:address_bits], slot)),
            slots.read_address.eq(address),
            slots.write_address.eq(delay(m, address, BlockMemory.LATENCY + 1, "address")),
            slots.write_enable.eq(delay(m, keep, 1, "keep_sum", reset_less=False)),
            slots.write_data.eq(total),
        ]
        return slots.read_data
