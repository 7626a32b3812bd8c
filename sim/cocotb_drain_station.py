"""Testbench of the drain station of one column."""

import random
from typing import Any, Final

import cocotb

from hw.drain_station import DrainStation
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import signed_range

ARCH: Final = subject_arch()
PSUM_MASK: Final = (1 << ARCH.psum_width) - 1
CHAIN_LATENCY: Final = 1
CAPTURE_DELAY: Final = 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def only_selected_psums_join_the_chain(dut: Any) -> None:
    """Random selects in every cycle; the psums are taken one cycle after their select, lane 0 lowest."""
    rng = random.Random("station")
    low, high = signed_range(ARCH.psum_width)
    ports = Ports(dut, DrainStation(ARCH))
    await start(dut)
    latency, count = DrainStation.LATENCY, 300
    for index in range(ARCH.tokens):
        ports.hold(index=index)
        selects = [
            {"valid": rng.randrange(2), "token": rng.choice([index, rng.randrange(ARCH.tokens)])}
            for _ in range(count)
        ]
        captured = [[rng.randint(low, high) for _ in range(ARCH.lanes)] for _ in range(count + latency)]

        seen = [
            await ports.cycle(select=select, captured=psums)
            for select, psums in zip(selects, captured, strict=False)
        ] + [await ports.cycle(captured=psums) for psums in captured[count:]]

        for n, select in enumerate(selects):
            here = select["valid"] and select["token"] == index
            psums = captured[n + CAPTURE_DELAY] if here else [0] * ARCH.lanes
            word = sum((psum & PSUM_MASK) << (lane * ARCH.psum_width) for lane, psum in enumerate(psums))
            assert seen[n + latency]["o"] == word


@cocotb.test(timeout_time=100, timeout_unit="us")
async def psums_of_columns_before_pass_in_a_cycle(dut: Any) -> None:
    """The chain moves on a register per column."""
    rng = random.Random("chain")
    words = [rng.getrandbits(ARCH.lanes * ARCH.psum_width) for _ in range(100)]
    ports = Ports(dut, DrainStation(ARCH))
    await start(dut)
    ports.hold(captured=[-1] * ARCH.lanes)

    seen = [await ports.cycle(i=word) for word in words] + await ports.cycles(CHAIN_LATENCY)

    assert [out["o"] for out in seen[CHAIN_LATENCY:]] == words
