"""Testbench of the psums of one lane and token."""

import random
from typing import Any, Final

import cocotb

from hw.psums import PsumBank
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import signed_range

ARCH: Final = subject_arch()
WIDTHS: Final = {"product": 16, "sum": 18}
ROWS: Final = 2 * ARCH.groups
CAPTURE_LATENCY: Final = 2


async def psum_bank(dut: Any) -> Ports:
    ports = Ports(dut, PsumBank(ARCH, *WIDTHS.values()))
    await start(dut)
    return ports


def addends(rng: random.Random, horizontal: int) -> tuple[int, dict[str, int]]:
    """A number to be added, often an extreme, and the inputs it comes in."""
    name = "sum" if horizontal else "product"
    low, high = signed_range(WIDTHS[name])
    addend = rng.choice([low, high, rng.randint(low, high)])
    return addend, {name: addend}


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(horizontal=[0, 1])
async def rows_accumulate_in_any_order(dut: Any, horizontal: int) -> None:
    """Random rows, that of the beat before often among them; steals in between show each sum, once."""
    rng = random.Random(f"psums-{horizontal}")
    ports = await psum_bank(dut)
    sums: dict[int, int] = {}
    before: int | None = None
    seen, expected = [], []

    for _ in range(4000):
        near = before is not None and rng.random() < 0.4
        row = before if near and before is not None else rng.randrange(ROWS)
        addend, values = addends(rng, horizontal)
        expected.append(0)
        match rng.random():
            case chance if chance < 0.2 and row != before:
                seen.append(await ports.cycle(row=row, steal=1, fresh=row not in sums, **values))
                expected[-1] = sums.pop(row, 0)
                before = None
            case chance if chance < 0.3:
                seen.append(await ports.cycle(row=row, **values))
                before = None
            case _:
                forward = row == before
                fresh = forward or row not in sums
                seen.append(await ports.cycle(row=row, write=1, fresh=fresh, forward=forward, **values))
                sums[row] = sums.get(row, 0) + addend
                before = row
    seen += [await ports.cycle() for _ in range(CAPTURE_LATENCY)]
    assert [out["captured"] for out in seen[CAPTURE_LATENCY:]] == expected
    assert sum(map(bool, expected)) > 100


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_row_accumulates_in_consecutive_cycles(dut: Any) -> None:
    """One row, a beat in every cycle: only forwarding sees the sum before."""
    ports = await psum_bank(dut)

    for n in range(100):
        await ports.cycle(row=1, write=1, fresh=1, forward=n > 0, product=1000 + n)
    await ports.cycles(1)
    await ports.cycle(row=1, steal=1)

    seen = await ports.cycles(CAPTURE_LATENCY + 1)
    assert [out["captured"] for out in seen] == [0, sum(range(1000, 1100)), 0]


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def psums_reach_the_ends_of_their_range(dut: Any) -> None:
    """The largest and the smallest psum are summed without loss."""
    ports = await psum_bank(dut)
    low, high = signed_range(WIDTHS["sum"])
    for extreme in signed_range(ARCH.psum_width):
        step, total, beats = (high if extreme > 0 else low), 0, 0
        while total != extreme:
            addend = max(low, min(high, extreme - total)) if abs(extreme - total) < abs(step) else step
            await ports.cycle(row=0, write=1, fresh=1, forward=beats > 0, sum=addend)
            total, beats = total + addend, beats + 1
        await ports.cycles(1)
        await ports.cycle(row=0, steal=1)
        assert (await ports.cycles(CAPTURE_LATENCY))[-1]["captured"] == extreme
