"""Runs of one architecture that counts: what they reached, what was wrong, and which situations they made."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codesign.coverage.bins import CROSSES
from codesign.coverage.points import Point, read_points
from codesign.coverage.situations import situations
from codesign.regression.aftermath import draw_aftermaths
from codesign.regression.cases import standard_jobs
from codesign.regression.defects import all_defects
from codesign.regression.directed import directed_jobs
from codesign.regression.jobs import Job, make_jobs
from codesign.regression.output_cases import output_cases
from codesign.regression.resets import reset_defects, reset_trial
from codesign.regression.robustness import damage_defects
from codesign.regression.runs import run_jobs
from codesign.regression.scenario import draw_scenario
from sim.simulator import SimulatorError
from spec.arch import ArchConfig

__all__ = ["STEPS", "Collection", "collect"]

_VERILOG: Final = "source_1.v"
"""The accelerator's text in a model; the first is the harness."""
_PAUSES: Final = ((0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.9))
_DAMAGE_PAUSES: Final = (0.3,)
_RESET_STEP: Final = 29
"""Cycles from one moment of a reset to the next."""
STEPS: Final = len(_PAUSES) + len(_DAMAGE_PAUSES) + 1
"""Steps of a collection besides its random scenarios."""


@dataclass
class Collection:
    """What the runs of one architecture came to.

    Parameters
    ----------
    name : str
    arch : ArchConfig
    points : dict of Point to int
        Every point of its Verilog, and how often it was reached.
    bins : dict of str to ndarray of int64
        For every cross, how often each combination was seen.
    jobs, outputs : int
        Jobs sent, and their outputs; those of damaged streams and behind resets are not counted.
    defects : list of str
        A sentence for everything wrong with an answer.
    """

    name: str
    arch: ArchConfig
    points: dict[Point, int] = field(default_factory=dict)
    bins: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    jobs: int = 0
    outputs: int = 0
    defects: list[str] = field(default_factory=list)


def collect(
    name: str, arch: ArchConfig, seeds: Sequence[int], progress: Callable[[], None] = lambda: None
) -> Collection:
    """Run jobs at every edge, random ones, damaged streams and resets on ``arch``; count what they reach.

    Parameters
    ----------
    name : str
        Of the architecture.
    arch : ArchConfig
    seeds : sequence of int
        Of the random scenarios.
    progress : callable
        Called after each of ``STEPS`` and each scenario.

    Raises
    ------
    SimulatorError
        If the simulator is missing or the Verilog does not compile.
    """
    found = Collection(name, arch, bins={one.name: _nothing(one.axes) for one in CROSSES})
    with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
        file = Path(folder) / "points"
        jobs = [*standard_jobs(arch), *directed_jobs(arch)]
        if arch.output_blocks:
            jobs += make_jobs(output_cases(arch, seed=3), arch)
        runs = [(tuple(jobs), pauses, 0) for pauses in _PAUSES]
        for seed in seeds:
            scenario = draw_scenario(arch, seed)
            runs.append((scenario.jobs, (scenario.stall_i, scenario.stall_o), seed))
        for these, pauses, seed in runs:
            _run(found, these, pauses, seed, file)
            progress()
        cases = draw_aftermaths(arch, random_cases=180)
        for pause in _DAMAGE_PAUSES:
            found.defects += _attempt(partial(damage_defects, cases, arch, pause, coverage=file))
            _add(found, file)
            progress()
        trial = reset_trial(arch, seed=0)
        found.defects += _attempt(lambda: reset_defects(trial, step=_RESET_STEP, coverage=file)[1])
        _add(found, file)
        progress()
    return found


def _nothing(axes: Sequence[type[IntEnum]]) -> NDArray[np.int64]:
    return np.zeros([len(axis) for axis in axes], np.int64)


def _run(found: Collection, jobs: Sequence[Job], pauses: tuple[float, float], seed: int, file: Path) -> None:
    """Send ``jobs``; add what they reach, their situations and their defects."""
    stall_i, stall_o = pauses
    found.jobs += len(jobs)
    found.outputs += sum(job.packed.rows * job.tokens for job in jobs)
    found.defects += _attempt(
        lambda: all_defects(
            jobs,
            run_jobs(jobs, found.arch, stall_i=stall_i, stall_o=stall_o, seed=seed, coverage=file),
            found.arch,
            stalled=bool(stall_i or stall_o),
        )
    )
    _add(found, file)
    for job in jobs:
        seen = situations(job.packed, job.activations, found.arch, stall_i, stall_o)
        for one in CROSSES:
            found.bins[one.name] += one.counts(seen)


def _attempt(run: Callable[[], list[str]]) -> list[str]:
    """What is wrong; a run that breaks down is a defect too, if it came to counting."""
    try:
        return run()
    except (SimulatorError, ValueError) as error:
        return [str(error)]


def _add(found: Collection, file: Path) -> None:
    """Add the points in ``file``, and take it away.

    Raises
    ------
    SimulatorError
        If the run left none.
    """
    if not file.is_file():
        raise SimulatorError(found.defects[-1] if found.defects else "the simulator counted nothing")
    for point, count in read_points(file.read_text(errors="surrogateescape"), _VERILOG).items():
        found.points[point] = found.points.get(point, 0) + count
    file.unlink()
