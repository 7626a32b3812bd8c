"""Testbench of the memory that is read in parts; `MIXVEC_MEMORY_SHAPE` gives bits, words, bits of a part."""

import os
import random
from typing import Any, Final

import cocotb

from hw.part_memory import PartMemory
from sim.ports import Ports
from sim.streams import start

SHAPE: Final = "MIXVEC_MEMORY_SHAPE"
WIDTH, DEPTH, PART = (int(number) for number in os.environ.get(SHAPE, "64 8 16").split())
LATENCY: Final = 3


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_part_is_there_three_cycles_after_its_address(dut: Any) -> None:
    """Reads in every cycle among writes; a word that is written near a read of it is not looked at."""
    rng = random.Random("parts")
    ports = Ports(dut, PartMemory(WIDTH, DEPTH, PART))
    await start(dut)
    parts = WIDTH // PART
    words: dict[int, int] = {}
    expected: list[int | None] = [None] * LATENCY
    places = [0, DEPTH - 1, *(rng.randrange(DEPTH) for _ in range(10))]

    for _ in range(1000):
        writes, written = rng.random() < 0.5, rng.choice(places)
        read, part, word = rng.choice(places), rng.randrange(parts), rng.getrandbits(WIDTH)
        out = await ports.cycle(
            write_enable=writes, write_address=written, write_data=word, read_address=read * parts + part
        )
        known = read in words and not (writes and written == read)
        expected.append(words[read] >> part * PART & ((1 << PART) - 1) if known else None)
        if writes:
            words[written] = word
        wanted = expected.pop(0)
        assert wanted is None or out["read_data"] == wanted
