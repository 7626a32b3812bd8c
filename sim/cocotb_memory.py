"""Testbench of the block memory: six words of 16 bits."""

import random
from typing import Any, Final

import cocotb

from hw.memory import BlockMemory
from sim.ports import Ports
from sim.streams import start

DEPTH: Final = 6
LATENCY: Final = 2
MEMORY: Final = BlockMemory(16, DEPTH)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_word_is_there_two_cycles_after_its_address(dut: Any) -> None:
    """Reads in every cycle among writes; the address being written is not looked at."""
    rng = random.Random("memory")
    ports = Ports(dut, MEMORY)
    await start(dut)
    words: list[int | None] = [None] * DEPTH
    expected: list[int | None] = [None] * LATENCY

    for _ in range(1000):
        writes, written, read = rng.random() < 0.5, rng.randrange(DEPTH), rng.randrange(DEPTH)
        word = rng.getrandbits(16)
        out = await ports.cycle(
            write_enable=writes, write_address=written, write_data=word, read_address=read
        )
        expected.append(None if writes and written == read else words[read])
        if writes:
            words[written] = word
        wanted = expected.pop(0)
        assert wanted is None or out["read_data"] == wanted


@cocotb.test(timeout_time=100, timeout_unit="us")
async def words_stay_until_they_are_overwritten(dut: Any) -> None:
    """Without write enable nothing changes."""
    ports = Ports(dut, MEMORY)
    await start(dut)
    for n in range(DEPTH):
        await ports.cycle(write_enable=1, write_address=n, write_data=100 + n)

    for n in range(DEPTH):
        await ports.cycle(write_address=n, write_data=7)

    seen = [await ports.cycle(read_address=n) for n in range(DEPTH)] + await ports.cycles(LATENCY)
    assert [out["read_data"] for out in seen[LATENCY:]] == [100 + n for n in range(DEPTH)]
