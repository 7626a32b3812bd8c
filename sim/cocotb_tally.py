"""Testbench of the tally."""

import random
from typing import Any, Final

import cocotb

from hw.tally import Tally
from sim.ports import Ports
from sim.streams import start

MOST: Final = (1, 5, 64, 2, 300)
PRESETS: Final = {1: 10, 4: 70}
WIDTH: Final = 20


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(length=[1, 7, 200, 3000])
async def sums_are_exact_whatever_the_turn(dut: Any, length: int) -> None:
    """Largest and random increments, from one cycle on; what came before ``begin`` is forgotten."""
    rng = random.Random(f"tally-{length}")
    tally = Tally(MOST, PRESETS, WIDTH)
    ports = Ports(dut, tally)
    await start(dut)
    for peak in (0, 1, 0):
        for _ in range(rng.randrange(1, 20)):
            await ports.cycle(increments={f"_{n}": rng.randrange(top + 1) for n, top in enumerate(MOST)})
        await ports.cycle(begin=1)
        sums = [PRESETS.get(n, 0) for n in range(len(MOST))]
        for time in range(1, length + 1):
            fresh = [top if peak else rng.randrange(top + 1) for top in MOST]
            sums = [total + one for total, one in zip(sums, fresh, strict=True)]
            increments = {f"_{n}": one for n, one in enumerate(fresh)}
            out = await ports.cycle(increments=increments, end=int(time == length))
            assert not out["complete"]

        seen = await ports.cycles(tally.slots + 2)

        assert [out["complete"] for out in seen] == [0] * (tally.slots + 1) + [1]
        for number, total in enumerate(sums):
            await ports.cycle(number=number)
            assert (await ports.cycle())["value"] == total % (1 << WIDTH)
