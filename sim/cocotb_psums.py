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
ADDEND_WIDTH: Final = 18
ROWS: Final = 2 * ARCH.groups


def psum_bank(dut: Any) -> Ports:
    return Ports(dut, PsumBank(ARCH, ADDEND_WIDTH))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def rows_accumulate_in_any_order(dut: Any) -> None:
    """Random rows, the row of the beat before often among them; steals in between show each sum."""
    rng = random.Random("psums")
    low, high = signed_range(ADDEND_WIDTH)
    ports = psum_bank(dut)
    await start(dut)
    sums: dict[int, int] = {}
    before: int | None = None
    stolen = 0

    for _ in range(4000):
        near = before is not None and rng.random() < 0.4
        row = before if near and before is not None else rng.randrange(ROWS)
        match rng.random():
            case chance if chance < 0.2 and row != before:
                await ports.cycle(row=row, steal=1, first=row not in sums, addend=rng.randint(low, high))
                out = await ports.cycle(addend=rng.randint(low, high))
                assert out["captured"] == sums.pop(row, 0)
                before, stolen = None, stolen + 1
            case chance if chance < 0.3:
                await ports.cycle(row=row, addend=rng.randint(low, high))
                before = None
            case _:
                addend = rng.choice([low, high, rng.randint(low, high)])
                await ports.cycle(
                    row=row, write=1, first=row not in sums, forward=row == before, addend=addend
                )
                sums[row] = sums.get(row, 0) + addend
                before = row
    assert stolen > 100


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_row_accumulates_in_consecutive_cycles(dut: Any) -> None:
    """One row, a beat in every cycle: only forwarding sees the sum before."""
    ports = psum_bank(dut)
    await start(dut)

    for n in range(100):
        await ports.cycle(row=1, write=1, first=n == 0, forward=n > 0, addend=1000 + n)
    await ports.cycles(1)
    await ports.cycle(row=1, steal=1)

    assert (await ports.cycle())["captured"] == sum(range(1000, 1100))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_captured_row_stays_while_others_accumulate(dut: Any) -> None:
    """Captured psums wait for their turn in the drain while the other bank goes on."""
    ports = psum_bank(dut)
    await start(dut)
    for row, addend in ((0, -5), (2, 9)):
        await ports.cycle(row=row, write=1, first=1, addend=addend)
    await ports.cycles(1)

    await ports.cycle(row=0, steal=1)

    for n in range(20):
        out = await ports.cycle(row=2, write=1, forward=n > 0, addend=n)
        assert out["captured"] == -5
    await ports.cycles(1)
    await ports.cycle(row=2, steal=1)
    assert (await ports.cycle())["captured"] == 9 + sum(range(20))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def psums_reach_the_ends_of_their_range(dut: Any) -> None:
    """The largest and the smallest psum are summed without loss."""
    ports = psum_bank(dut)
    await start(dut)
    for extreme in signed_range(ARCH.psum_width):
        low, high = signed_range(ADDEND_WIDTH)
        step, total, beats = (high if extreme > 0 else low), 0, 0
        while total != extreme:
            addend = max(low, min(high, extreme - total)) if abs(extreme - total) < abs(step) else step
            await ports.cycle(row=0, write=1, first=beats == 0, forward=beats > 0, addend=addend)
            total, beats = total + addend, beats + 1
        await ports.cycles(1)
        await ports.cycle(row=0, steal=1)
        assert (await ports.cycle())["captured"] == extreme
