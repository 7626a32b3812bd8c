"""Block framer: headers of blocks, where no cluster shares one with another."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import ItemKind, block_shape, bundle, item_shape, offer_shape, psums_header
from spec.arch import ArchConfig

__all__ = ["BlockFramer"]


class BlockFramer(wiring.Component):
    """Write a block's header on its way, one word or two; what a split adder does where ``split_slots`` is 0.

    No latency, since the egress has registers of its own; one item per cycle.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    tag, item, answer, kind, word, job_end, block
        As in ``SplitAdder``.
    """

    LATENCY = 0

    tag: Signal
    item: data.View
    answer: Signal
    kind: enum.EnumView
    word: Signal
    job_end: Signal
    block: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "tag": In(8),
                "item": In(item_shape(arch)),
                "answer": In(arch.stream_width),
                "kind": Out(ItemKind),
                "word": Out(arch.stream_width),
                "job_end": Out(1),
            }
            | {name: Out(shape) for name, shape in block_shape(arch).items()}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = offer_shape(self.arch)
        offer = bundle(shape, "offer")
        m.d.comb += offer.as_value().eq(self.answer[: shape.size])
        header = psums_header(m, self.arch, self.item, offer, self.tag)
        word = Mux(self.item.kind == ItemKind.BLOCK_HEADER, header, self.answer)
        if self.arch.header_words > 1:
            rest = header.as_value()[self.arch.stream_width :]
            word = Mux(self.item.kind == ItemKind.BLOCK_LENGTH, rest, word)
        m.d.comb += [
            self.word.eq(word),
            self.kind.eq(self.item.kind),
            self.job_end.eq(self.item.job_end),
        ]
        for field in block_shape(self.arch):
            m.d.comb += self.block.eq(offer[field])
        return m
