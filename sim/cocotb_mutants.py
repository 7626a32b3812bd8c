"""cocotb side of a run of mutants: a process forked for each, from one simulator that has just started."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from sim.cocotb_stream import COUNTERS

__all__ = ["JOB_VARIABLE", "RESULT_NAME", "mutants"]

JOB_VARIABLE = "MIXVEC_MUTANTS"
"""JSON with ``mutants`` (numbers), ``workers``, and ``seconds`` that one may take."""
RESULT_NAME = "result.json"


@cocotb.test()
async def mutants(dut: Any) -> None:
    """Run every mutant in the folder of its number; one that breaks down or takes too long leaves no result.

    Time still stands at 0 when a process forks off, and no file is open, so all start alike.
    """
    job = json.loads(os.environ[JOB_VARIABLE])
    running: set[int] = set()
    for number in job["mutants"]:
        if len(running) == job["workers"]:
            running.remove(os.wait()[0])
        child = os.fork()
        if child:
            running.add(child)
            continue
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(job["seconds"])
        os.chdir(str(number))
        dut.dut.mutant.value = number
        await RisingEdge(dut.done)
        counters = {name: int(getattr(dut, name).value) for name in COUNTERS}
        Path(RESULT_NAME).write_text(json.dumps(counters))
        os._exit(0)
    for _ in running:
        os.wait()
