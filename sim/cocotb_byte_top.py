"""Testbench of the accelerator on an eight-bit link."""

import random
from typing import Any, Final

import cocotb

from sim.bench_jobs import read_jobs
from sim.streams import StreamSink, StreamSource, start
from spec.packet import Opcode

JOBS: Final = read_jobs()


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def jobs_are_answered_byte_by_byte(dut: Any, stall: float) -> None:
    """Both directions, twice in a row; every output equals PyTorch's."""
    rng = random.Random(f"bytes-{stall}")
    source = StreamSource(dut, "i", stall=stall, rng=rng)
    sink = StreamSink(dut, "o", stall=stall, rng=rng)
    await start(dut)
    for job in JOBS * 2:
        source.send(job.stream())

    for job in JOBS * 2:
        answer = bytearray()
        while True:
            answer += bytes([await sink.receive() for _ in range(job.word_bytes)])
            # A packet that is not complete yet is no answer to look into.
            try:
                packets = job.packets(bytes(answer))
            except ValueError:
                continue
            if packets[-1].header.opcode == Opcode.DONE:
                break
        job.check(bytes(answer))
