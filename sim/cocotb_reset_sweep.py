"""cocotb side of the reset sweep: wait for its end."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["sweep"]


@cocotb.test()
async def sweep(dut: Any) -> None:
    """The sweep raises ``done``; no Python runs before that."""
    await RisingEdge(dut.done)
    assert int(dut.unknown_output.value) == 0, "an output word has unknown bits"
