"""Many jobs in one stream through the generated RTL, and their answers apart again."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from codesign.cycles import layer_cycles
from codesign.regression.jobs import Job, answer_words, stream_of
from codesign.verilog import accelerator_verilog
from hw.family import Family
from sim.simulator import Simulator, SimulatorError
from sim.stream_run import Pace, StreamResult, run_stream
from sim.subject import models
from sim.words import words_of
from spec.arch import ArchConfig
from spec.packet import Opcode, read_answers

__all__ = ["answers_in", "most_cycles", "run_jobs", "send", "send_jobs", "send_paced", "split_answers"]


@cache
def _verilog(arch: ArchConfig, family: Family) -> str:
    return accelerator_verilog(arch, family=family) + models(family)


def send(
    stream: bytes,
    arch: ArchConfig,
    *,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    lazy: bool = False,
    seed: int = 0,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.GENERIC,
    verilog: str | None = None,
    expected: int = 0,
    limit: int,
    coverage: Path | None = None,
) -> StreamResult:
    """Send ``stream`` to the RTL of ``arch``, or to ``verilog``; see ``sim.stream_run.run_stream``."""
    return run_stream(
        verilog or _verilog(arch, family),
        arch.stream_width,
        words_of(stream, arch.stream_width),
        simulator=simulator,
        stall_i=stall_i,
        stall_o=stall_o,
        lazy=lazy,
        seed=seed,
        expected=expected,
        limit=limit,
        coverage=coverage,
    )


def run_jobs(
    jobs: Sequence[Job],
    arch: ArchConfig,
    *,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    seed: int = 0,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.GENERIC,
    coverage: Path | None = None,
) -> list[bytes]:
    """Return the answer to each of ``jobs``, sent as one stream without a pause in between.

    What the RTL went through is counted in the file ``coverage``, if one is given.

    Raises
    ------
    SimulatorError
        If the simulator is missing or breaks down, or the core hangs or leaves a job unanswered.
    """
    result = send_jobs(
        jobs,
        arch,
        stall_i=stall_i,
        stall_o=stall_o,
        seed=seed,
        simulator=simulator,
        family=family,
        coverage=coverage,
    )
    return answers_in(result, jobs, arch)


def send_jobs(
    jobs: Sequence[Job],
    arch: ArchConfig,
    *,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    lazy: bool = False,
    seed: int = 0,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.GENERIC,
    verilog: str | None = None,
    coverage: Path | None = None,
) -> StreamResult:
    """Return what comes of ``jobs``, sent as one stream; see :func:`send`."""
    stream = b"".join(stream_of(job, arch) for job in jobs)
    expected = sum(answer_words(job, arch) for job in jobs)
    cycles = sum(layer_cycles(job.packed, arch, job.tokens).cycles for job in jobs)
    return send(
        stream,
        arch,
        stall_i=stall_i,
        stall_o=stall_o,
        lazy=lazy,
        seed=seed,
        simulator=simulator,
        family=family,
        verilog=verilog,
        expected=expected,
        limit=most_cycles(cycles, len(stream) * 8 // arch.stream_width, expected, stall_i, stall_o),
        coverage=coverage,
    )


def send_paced(jobs: Sequence[Job], arch: ArchConfig, pace: Pace, simulator: Simulator) -> StreamResult:
    """Return what comes of ``jobs`` at the pauses of ``pace``; see :func:`send_jobs`."""
    return send_jobs(
        jobs,
        arch,
        stall_i=pace.stall_i,
        stall_o=pace.stall_o,
        lazy=pace.lazy,
        seed=pace.seed,
        simulator=simulator,
    )


def most_cycles(cycles: int, words_in: int, words_out: int, stall_i: float, stall_o: float) -> int:
    """Return after how many cycles a core hangs that needs ``cycles`` without pauses.

    Between two words on a side that pauses with probability p pass 1 / (1 - p) cycles on average; if nothing
    overlapped, those of both sides and the core's own would add up. Ten times as many are waited for.
    """
    paused = sum(
        words / max(1 - stall, 1 / 256) for words, stall in ((words_in, stall_i), (words_out, stall_o))
    )
    return 10 * (cycles + round(paused)) + 20_000


def answers_in(result: StreamResult, jobs: Sequence[Job], arch: ArchConfig) -> list[bytes]:
    """Return the answer to each of ``jobs`` out of what came.

    Raises
    ------
    SimulatorError
        If the core hung or left a job unanswered.
    """
    if result.timed_out:
        raise SimulatorError(f"hangs after {result.accepted} words in and {len(result.words)} out")
    answers = list(split_answers(result.answer, arch))
    if len(answers) != len(jobs):
        raise SimulatorError(f"answers {len(jobs)} jobs with {len(answers)} DONE packets")
    return answers


def split_answers(answer: bytes, arch: ArchConfig) -> Iterator[bytes]:
    """Cut an answer behind every DONE packet."""
    size, start, end = arch.stream_width // 8, 0, 0
    for packet in read_answers(answer, size):
        end += packet.words * size
        if packet.header.opcode == Opcode.DONE:
            yield answer[start:end]
            start = end
    if start != len(answer):
        yield answer[start:]
