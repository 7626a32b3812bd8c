"""Testbench of the block memory; `MIXVEC_MEMORY_SHAPE` gives bits and words."""

import os
import random
from typing import Any, Final

import cocotb

from hw.memory import BlockMemory
from sim.ports import Ports
from sim.streams import start

SHAPE: Final = "MIXVEC_MEMORY_SHAPE"
WIDTH, DEPTH = (int(number) for number in os.environ.get(SHAPE, "16 6").split())
LATENCY: Final = 2
MEMORY: Final = BlockMemory(WIDTH, DEPTH)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_word_is_there_two_cycles_after_its_address(dut: Any) -> None:
    """Reads in every cycle among writes; the address being written is not looked at."""
    rng = random.Random("memory")
    ports = Ports(dut, MEMORY)
    await start(dut)
    words: dict[int, int] = {}
    expected: list[int | None] = [None] * LATENCY
    # Few enough to be met again, the first and the last among them.
    places = [0, DEPTH - 1, *(rng.randrange(DEPTH) for _ in range(10))]

    for _ in range(1000):
        writes, written, read = rng.random() < 0.5, rng.choice(places), rng.choice(places)
        word = rng.getrandbits(WIDTH)
        out = await ports.cycle(
            write_enable=writes, write_address=written, write_data=word, read_address=read
        )
        expected.append(None if writes and written == read else words.get(read))
        if writes:
            words[written] = word
        wanted = expected.pop(0)
        assert wanted is None or out["read_data"] == wanted


@cocotb.test(timeout_time=100, timeout_unit="us")
async def words_stay_until_they_are_overwritten(dut: Any) -> None:
    """Without write enable nothing changes."""
    ports = Ports(dut, MEMORY)
    await start(dut)
    places = range(0, DEPTH, max(DEPTH // 16, 1))
    written = [pow(3, n, 1 << WIDTH) for n in range(len(places))]
    for place, word in zip(places, written, strict=True):
        await ports.cycle(write_enable=1, write_address=place, write_data=word)

    for place in places:
        await ports.cycle(write_address=place, write_data=0)

    seen = [await ports.cycle(read_address=place) for place in places] + await ports.cycles(LATENCY)
    assert [out["read_data"] for out in seen[LATENCY:]] == written
