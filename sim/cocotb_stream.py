"""cocotb side of the stream harness: wait for its end and write down its counters."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["COUNTERS", "RESULT_VARIABLE", "stream"]

RESULT_VARIABLE = "MIXVEC_STREAM_RESULT"
COUNTERS = (
    "timed_out",
    "short_input",
    "unknown_output",
    "cycles",
    "first_in",
    "first_out",
    "last_out",
    "times_in",
    "times_out",
    "words_in",
    "words_out",
)


@cocotb.test()
async def stream(dut: Any) -> None:
    """The harness raises ``done``; no Python runs before that."""
    await RisingEdge(dut.done)
    counters = {name: int(getattr(dut, name).value) for name in COUNTERS}
    Path(os.environ[RESULT_VARIABLE]).write_text(json.dumps(counters))
