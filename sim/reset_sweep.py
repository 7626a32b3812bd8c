"""A job behind a reset, again and again: what comes out, and when, whatever was interrupted."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sim.counted import counted
from sim.simulator import COVERAGE_FILE, Build, Simulator, build, run
from sim.stream_run import INPUT_NAME, write_input
from sim.words import Words

__all__ = ["AfterReset", "Sweep", "build_sweep", "run_sweep"]

_HARNESS: Final = Path(__file__).with_name("reset_sweep.v")
_TIMES: Final = 5
"""Numbers written about every job."""


@dataclass(frozen=True)
class AfterReset:
    """What one job did that followed a reset.

    Parameters
    ----------
    moment : int
        Cycles that the job before it had been running for.
    answer : bytes
    taken : int
        Input words that the device took.
    times_in, times_out : int
        The cycles in which words moved, folded.
    cycles : int
        From the end of reset to the end of the quiet cycles behind the answer.
    """

    moment: int
    answer: bytes
    taken: int
    times_in: int
    times_out: int
    cycles: int


@dataclass(frozen=True, eq=False)
class Sweep:
    """Moments at which a job is interrupted, and the job behind.

    Parameters
    ----------
    before, job : Words
        Words of the interrupted job, and of the one that must be exact.
    expected : int
        Words of the answer.
    moments : range
        Cycles from the end of a reset to the next one.
    limit : int
        Cycles after which a job is given up.
    """

    before: Words
    job: Words
    expected: int
    moments: range
    limit: int = 100_000


def build_sweep(
    verilog_source: str,
    stream_width: int,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    coverage: bool = False,
) -> Build:
    """Compile the accelerator inside the reset sweep, everything unknown drawn at random."""
    return build(
        [_HARNESS, counted(verilog_source) if coverage else verilog_source],
        top="reset_sweep",
        simulator=simulator,
        parameters={"W": stream_width},
        randomized=True,
        coverage=coverage,
    )


def run_sweep(
    model: Build, sweep: Sweep, *, initial: int = 0, coverage: Path | None = None
) -> list[AfterReset]:
    """Run ``sweep``; return what every job behind a reset did, in order.

    Parameters
    ----------
    model : Build
        By :func:`build_sweep`.
    sweep : Sweep
    initial : int
        Seed of everything that no reset has set yet.
    coverage : Path, optional
        File for what Verilator counted; ``model`` is one that counts.

    Raises
    ------
    SimulatorError
        If the simulator breaks down, or an output word has unknown bits (Icarus).
    """
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
        folder = Path(name)
        words = np.concatenate([sweep.before, sweep.job])
        write_input(folder / INPUT_NAME, words)
        facts = {
            "before": len(sweep.before),
            "words": len(words),
            "expect": sweep.expected,
            "first": sweep.moments.start,
            "step": sweep.moments.step,
            "resets": len(sweep.moments),
            "limit": sweep.limit,
        }
        run(
            model,
            module="sim.cocotb_reset_sweep",
            run_dir=folder,
            plusargs=[f"+{name}={value}" for name, value in facts.items()],
            initial=initial,
        )
        if coverage is not None:
            shutil.copyfile(folder / COVERAGE_FILE, coverage)
        answers = (folder / "output.bin").read_bytes()
        times = np.fromfile(folder / "times.bin", dtype="<u8").reshape(-1, _TIMES)
    found, start = [], 0
    for moment, row in zip(sweep.moments, times.tolist(), strict=True):
        count, taken, times_in, times_out, cycles = row
        end = start + count * words.itemsize * words.shape[1]
        found.append(AfterReset(moment, answers[start:end], taken, times_in, times_out, cycles))
        start = end
    return found
