"""The ports of an accelerator driven from Python in every cycle: which word moves when."""

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

__all__ = ["JOB_VARIABLE", "moments"]

JOB_VARIABLE = "MIXVEC_MOMENTS_JOB"
"""JSON file: ``words`` offered and ``expected`` answers in; the moments and what it took come back in it."""


@cocotb.test()
async def moments(dut: Any) -> None:
    """Offer a word in every cycle from power-up on, take every answer, note the cycles of both."""
    file = Path(os.environ[JOB_VARIABLE])
    job = json.loads(file.read_text())
    words: list[int] = job["words"]
    taken: list[int] = []
    given: list[int] = []
    answers: list[int] = []
    dut.rst.value, dut.o__ready.value, dut.i__valid.value = 0, 1, 0
    Clock(dut.clk, 10, "ns", impl="gpi").start(start_high=False)
    await FallingEdge(dut.clk)
    started, cycle = time.perf_counter(), 0
    while len(taken) < len(words) or len(answers) < job["expected"]:
        offered = len(taken) < len(words)
        dut.i__valid.value = int(offered)
        if offered:
            dut.i__payload.value = words[len(taken)]
        # What is ready and valid at the edge is what moves there.
        await RisingEdge(dut.clk)
        if offered and dut.i__ready.value == 1:
            taken.append(cycle)
        if dut.o__valid.value == 1:
            given.append(cycle)
            answers.append(int(dut.o__payload.value))
        await FallingEdge(dut.clk)
        cycle += 1
    seconds = time.perf_counter() - started
    result = {"taken": taken, "given": given, "answers": answers, "cycles": cycle, "seconds": seconds}
    file.write_text(json.dumps(result))
