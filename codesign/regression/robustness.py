"""Damaged streams through the RTL, each with a good job behind it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codesign.regression.aftermath import Aftermath, aftermath_defects
from codesign.regression.runs import send
from sim.simulator import SimulatorError
from spec.arch import ArchConfig

__all__ = ["damage_defects"]


def damage_defects(
    cases: Sequence[Aftermath], arch: ArchConfig, stall: float = 0.0, *, coverage: Path | None = None
) -> list[str]:
    """Send all cases as one stream; return a sentence for everything wrong with the answers.

    Parameters
    ----------
    cases : sequence of Aftermath
    arch : ArchConfig
    stall : float
        Chance that either side pauses in a cycle.
    coverage : Path, optional
        File for what Verilator counted.

    Raises
    ------
    SimulatorError
        If the core hangs; names the case.
    """
    pieces = [case.stream(arch) for case in cases]
    stream = b"".join(pieces)
    limit = 200_000 + 3 * len(stream)
    result = send(stream, arch, stall_i=stall, stall_o=stall, seed=9, limit=limit, coverage=coverage)
    if result.timed_out:
        ends = np.cumsum([len(piece) for piece in pieces]) // (arch.stream_width // 8)
        culprit = int(np.searchsorted(ends, result.accepted, side="right"))
        name = cases[culprit].damage.name
        raise SimulatorError(f"hangs at word {result.accepted}, in case {culprit}: {name}")
    answer = result.answer
    return aftermath_defects(cases, answer, arch, stalled=stall > 0)
