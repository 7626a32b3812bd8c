"""Testbench of the block framer."""

import random
from typing import Any, Final

import cocotb

from hw.block_framer import BlockFramer
from hw.shapes import ItemKind, offer_shape
from sim.ports import Ports, encode_bundle
from sim.streams import start
from sim.subject import subject_arch
from spec.packet import Header, Opcode

ARCH: Final = subject_arch()
TAG: Final = 117
PASSED: Final = (ItemKind.BLOCK_DATA, ItemKind.STATUS_HEADER, ItemKind.STATUS_DATA)
"""Items whose word leaves as it came."""


def random_item(rng: random.Random) -> tuple[dict[str, Any], dict[str, int]]:
    """An item of any kind, and what it comes out as; a trailer's word is the egress's."""
    kind = rng.choice(list(ItemKind))
    job_end, word = rng.randrange(2), rng.getrandbits(ARCH.stream_width)
    item = {
        "kind": kind.value,
        "job_end": job_end,
        "cluster": 0,
        "address": rng.randrange(ARCH.words_per_block),
    }
    seen = {"kind": kind.value, "job_end": job_end}
    if kind is ItemKind.BLOCK_HEADER:
        fields = {name: rng.getrandbits(field.shape.width) for name, field in offer_shape(ARCH)}
        word = encode_bundle(offer_shape(ARCH), fields)
        header = Header(Opcode.PSUMS, ARCH.words_per_block, argument=fields["sequence"], tag=TAG)
        seen["word"] = header.encode()
        if ARCH.output_blocks:
            seen["block"] = fields["block"]
    elif kind in PASSED:
        seen["word"] = word
    return {"item": item, "answer": word}, seen


@cocotb.test(timeout_time=100, timeout_unit="us")
async def headers_are_written_and_words_pass(dut: Any) -> None:
    """An item per cycle, of any kind behind any other."""
    rng = random.Random("framer")
    ports = Ports(dut, BlockFramer(ARCH))
    await start(dut)
    ports.hold(tag=TAG)
    due: list[dict[str, int]] = [{"kind": 0, "job_end": 0}] * BlockFramer.LATENCY

    for _ in range(500):
        inputs, seen = random_item(rng)
        due.append(seen)
        out = await ports.cycle(**inputs)
        expected = due.pop(0)
        assert {name: out[name] for name in expected} == expected
