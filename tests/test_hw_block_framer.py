"""The block framer alone: gates without a register, so it is simulated without a clock."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.block_framer import BlockFramer
from hw.shapes import ItemKind, item_shape, offer_shape
from sim.ports import encode_bundle
from spec.arch import ArchConfig
from spec.packet import Header, Opcode

TAG = 117
PASSED = (ItemKind.BLOCK_DATA, ItemKind.STATUS_HEADER, ItemKind.STATUS_DATA)
"""Items whose word leaves as it came; that of a trailer is the egress's."""


def random_item(rng: random.Random, arch: ArchConfig) -> tuple[int, int, dict[str, int]]:
    """An item of any kind, its word, and what must come out."""
    kind, word = rng.choice(list(ItemKind)), rng.getrandbits(arch.stream_width)
    seen = {"kind": kind.value, "job_end": rng.randrange(2)}
    item = encode_bundle(item_shape(arch), {**seen, "address": rng.randrange(arch.words_per_block)})
    if kind is ItemKind.BLOCK_HEADER:
        fields = {name: rng.getrandbits(field.width) for name, field in offer_shape(arch)}
        word = encode_bundle(offer_shape(arch), fields)
        header = Header(Opcode.PSUMS, arch.words_per_block, argument=fields["sequence"], tag=TAG)
        seen["word"] = header.encode()
        if arch.output_blocks:
            seen["block"] = fields["block"]
    elif kind in PASSED:
        seen["word"] = word
    return item, word, seen


@pytest.mark.parametrize("output_blocks", [0, 4])
def test_block_framer_writes_headers_and_passes_words(output_blocks: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=3, split_slots=0, output_blocks=output_blocks)
    framer, rng = BlockFramer(arch), random.Random("framer")

    async def bench(context: Any) -> None:
        context.set(framer.tag, TAG)
        for _ in range(300):
            item, word, seen = random_item(rng, arch)
            context.set(framer.item.as_value(), item)
            context.set(framer.answer, word)
            await context.delay(1e-9)
            for name, value in seen.items():
                port = getattr(framer, name)
                assert context.get(port.as_value() if name == "kind" else port) == value

    simulator: Any = Simulator(framer)
    simulator.add_testbench(bench)
    simulator.run()
