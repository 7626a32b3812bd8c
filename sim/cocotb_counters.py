"""Testbench of the performance counters."""

import random
from typing import Any, Final

import cocotb

from hw.counters import Counters
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.packet import COUNTERS

ARCH: Final = subject_arch()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(length=[1, 50, 1000])
async def counters_add_up_between_two_begins(dut: Any, length: int) -> None:
    """Three layers one after the other, each counted from its own BEGIN on."""
    rng = random.Random(f"counters-{length}")
    ports = Ports(dut, Counters(ARCH))
    await start(dut)
    for _ in range(3):
        await ports.cycles(rng.randrange(2, 10))
        await ports.cycle(begin=1)
        sums = dict.fromkeys(COUNTERS, 0)
        sums["load_cycles"] = Counters.BEGIN_WORDS
        for n in range(1, length + 1):
            inputs: dict[str, Any] = {
                "active": rng.randrange(2),
                "words": rng.randrange(3),
                "psums_out": int(n == length or rng.random() < 0.1),
                "beats": rng.getrandbits(ARCH.clusters),
                "skipped": [rng.randrange(ARCH.groups + 1) for _ in range(ARCH.clusters)],
            }
            sums["compute_cycles"] += inputs["active"]
            sums["load_cycles"] += inputs["words"]
            sums["beats"] += inputs["beats"].bit_count()
            sums["skipped_beats"] += sum(inputs["skipped"])
            await ports.cycle(**inputs)
        sums["cycles"] = Counters.BEGIN_CYCLES + length

        seen = await ports.cycles(5)

        assert dict(zip(COUNTERS, seen[-1]["values"], strict=True)) == sums
