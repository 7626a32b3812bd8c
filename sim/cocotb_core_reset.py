"""Testbench of the whole core: a reset of one cycle at any moment."""

import random
from typing import Any, Final

import cocotb
from cocotb.triggers import ClockCycles

from sim.bench_jobs import BenchJob, read_jobs
from sim.streams import StreamSink, StreamSource, start
from spec.packet import Opcode

JOBS: Final = read_jobs()


def words_of(job: BenchJob) -> list[int]:
    size, stream = job.word_bytes, job.stream()
    return [int.from_bytes(stream[n : n + size], "little") for n in range(0, len(stream), size)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_reset_of_one_cycle_leaves_nothing_behind(dut: Any) -> None:
    """The job under way is gone, and the next one is exact, whatever the moment."""
    rng = random.Random("reset")
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    await start(dut)
    for number in range(60):
        job = JOBS[number % len(JOBS)]
        source.send(words_of(job))
        await ClockCycles(dut.clk, rng.randrange(len(words_of(job)), 2 * len(words_of(job))))
        dut.rst.value = 1
        await ClockCycles(dut.clk, 1)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 1)
        for _ in range(sink.received):
            await sink.receive()

        source.send(words_of(job))

        answer = bytearray()
        while True:
            answer += (await sink.receive()).to_bytes(job.word_bytes, "little")
            # A packet that is not complete yet is no answer to look into.
            try:
                packets = job.packets(bytes(answer))
            except ValueError:
                continue
            if packets[-1].header.opcode == Opcode.DONE:
                break
            if packets[-1].header.opcode == Opcode.ERROR:
                # What was left of the job before belongs to no packet.
                answer.clear()
        job.check(bytes(answer))
