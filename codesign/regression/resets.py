"""Jobs behind a reset: exact, and to the cycle the same, whatever was going on before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from codesign.cycles import layer_cycles
from codesign.regression.defects import defects
from codesign.regression.jobs import Job, answer_words, make_jobs, stream_of
from codesign.regression.layers import random_activations, random_layer
from codesign.verilog import accelerator_verilog
from sim.reset_sweep import AfterReset, Sweep, build_sweep, run_sweep
from sim.simulator import Simulator
from sim.unknown_start import unknown_start
from sim.words import Words, words_of
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.unpack import PackedLayer

__all__ = ["ResetTrial", "reset_defects", "reset_trial"]

_SHAPES: Final = ((9, 14), (13, 7), (11, 10))
"""M and K of the layers: a moment costs as many cycles as they need."""
_IDLE: Final = 60
"""Cycles behind the last answer that belong to the moments too."""


@dataclass(frozen=True, eq=False)
class ResetTrial:
    """What is interrupted, and the job that follows.

    Parameters
    ----------
    arch : ArchConfig
    before : bytes
        A job of either direction, a damaged one, and another: loading, computing, draining and error.
    job : Job
    cycles : int
        Cycles that ``before`` needs at most, and some in which nothing is left to do.
    """

    arch: ArchConfig
    before: bytes
    job: Job
    cycles: int


def reset_trial(arch: ArchConfig, seed: int) -> ResetTrial:
    """Return the trial of ``seed``: the same one whenever it is asked for."""
    rng = np.random.default_rng(seed)
    cases = []
    for number, shape in enumerate(_SHAPES):
        layer = random_layer(rng, arch, shape, Direction((number + seed) % 2), 0.4)
        cases.append((f"job {number}", layer, random_activations(rng, arch, layer, arch.tokens + 1)))
    first, second, job = make_jobs(cases, arch)
    damaged = bytearray(stream_of(second, arch))
    damaged[int(rng.integers(len(damaged) // 2, len(damaged)))] ^= 1 << int(rng.integers(8))
    before = stream_of(first, arch) + bytes(damaged) + stream_of(second, arch)
    needed = [_cycles(one.packed, arch, one.tokens) for one in (first, second, second)]
    return ResetTrial(arch, before, job, sum(needed) + _IDLE)


def _cycles(layer: PackedLayer, arch: ArchConfig, tokens: int) -> int:
    return layer_cycles(layer, arch, tokens).cycles


def reset_defects(
    trial: ResetTrial,
    *,
    step: int = 1,
    initials: Sequence[int] = (0,),
    simulator: Simulator = Simulator.VERILATOR,
    verilog: str | None = None,
    coverage: Path | None = None,
) -> tuple[int, list[str]]:
    """Interrupt at every ``step``-th cycle, once for every seed of what is unknown at the start.

    Registers and memories have no first values, so the first reset already meets anything; in Icarus they
    stay unknown until they are set, and no unknown bit may leave.

    What the RTL went through is counted in the file ``coverage``, if one is given, of the Verilog as it is:
    with first values, so that its lines are those that other runs count.

    Returns
    -------
    tuple of int and list of str
        Jobs compared, and a sentence for everything wrong: an answer that is not exact, a counter that
        is not the cycle model's, a word that moved in another cycle than behind the other resets.
    """
    arch, job = trial.arch, trial.job
    if verilog is None:
        emitted = accelerator_verilog(arch)
        verilog = unknown_start(emitted) if coverage is None else emitted
    width, counting = arch.stream_width, coverage is not None
    model = build_sweep(verilog, width, simulator=simulator, coverage=counting)
    sweep = Sweep(
        before=_words(trial.before, arch),
        job=_words(stream_of(job, arch), arch),
        expected=answer_words(job, arch),
        moments=range(0, trial.cycles, step),
        limit=10 * _cycles(job.packed, arch, job.tokens) + 10_000,
    )
    wrong: list[str] = []
    count, first = 0, None
    for initial in initials:
        for one in run_sweep(model, sweep, initial=initial, coverage=coverage):
            count += 1
            place = f"reset after {one.moment} cycles, unknown bits {initial}"
            if first is None:
                first = one
                wrong += [f"{place}: {sentence}" for sentence in _judged(job, one, arch)]
            elif (one.answer, one.taken, one.times_in, one.times_out) != (
                first.answer,
                first.taken,
                first.times_in,
                first.times_out,
            ):
                reason = _judged(job, one, arch) or ["words moved in other cycles than behind other resets"]
                wrong += [f"{place}: {sentence}" for sentence in reason]
    return count, wrong


def _judged(job: Job, one: AfterReset, arch: ArchConfig) -> list[str]:
    try:
        return defects(job, one.answer, arch)
    except ValueError as error:
        return [str(error)]


def _words(stream: bytes, arch: ArchConfig) -> Words:
    return words_of(stream, arch.stream_width)
