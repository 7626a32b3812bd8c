"""Testbench of the multiplier: 8 by 4 bits."""

from typing import Any, Final

import cocotb

from hw.multiplier import Multiplier
from sim.ports import Ports
from sim.streams import start
from spec.numbers import signed_range

MULTIPLIER: Final = Multiplier(8, 4)
LATENCY: Final = 3


@cocotb.test(timeout_time=100, timeout_unit="us")
async def every_product_comes_three_cycles_later(dut: Any) -> None:
    """All pairs of operands, a pair per cycle."""
    ports = Ports(dut, MULTIPLIER)
    await start(dut)
    (low_a, high_a), (low_b, high_b) = signed_range(8), signed_range(4)
    pairs = [(a, b) for a in range(low_a, high_a + 1) for b in range(low_b, high_b + 1)]

    seen = [await ports.cycle(a=a, b=b) for a, b in pairs] + await ports.cycles(LATENCY)

    assert [out["o"] for out in seen[LATENCY:]] == [a * b for a, b in pairs]
