"""Testbench of the drain tree."""

import random
from typing import Any, Final

import cocotb

from hw.drain_tree import DrainTree
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch

ARCH: Final = subject_arch()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def the_psums_of_the_one_column_that_has_some_come_out(dut: Any) -> None:
    """A column after the other, and at times none."""
    rng = random.Random("tree")
    ports = Ports(dut, DrainTree(ARCH))
    await start(dut)
    words = [rng.getrandbits(ARCH.lanes * ARCH.psum_width) * rng.choice([0, 1, 1]) for _ in range(200)]

    latency, seen = DrainTree.latency(ARCH), []
    for n, word in enumerate(words):
        captured = [word if token == n % ARCH.row_cycles else 0 for token in range(ARCH.row_cycles)]
        seen.append(await ports.cycle(captured=captured))
    seen += [await ports.cycle(captured=[0] * ARCH.row_cycles) for _ in range(latency)]

    assert [out["o"] for out in seen[latency:]] == words
