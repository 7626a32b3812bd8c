"""One random scenario: jobs of all kinds back to back, and how often either side of the core pauses."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from codesign.regression.cases import Case
from codesign.regression.jobs import Job, make_jobs
from codesign.regression.layers import random_activations, random_layer
from codesign.regression.output_cases import with_outputs
from sim.stream_run import Pace
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.layer import QuantizedLayer
from sw.pack import pack

__all__ = ["Scenario", "draw_scenario"]

_MOST_INPUTS: Final = 60
"""K with which the lowest weights and activations still fit the narrowest psums drawn, 21 bits."""
_MOST_ROWS: Final = 90
_STALLS: Final = (0.0, 0.05, 0.3, 0.6, 0.95)
_DENSITIES: Final = (0.0, 0.03, 0.1, 0.3, 0.6, 1.0)
_ZEROS: Final = (0.0, 0.3, 0.8, 1.0)
"""Shares of inputs whose activations are zero."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """Jobs sent as one stream.

    Parameters
    ----------
    arch : ArchConfig
    seed : int
    jobs : tuple of Job
    stall_i, stall_o : float
        Chance that the sender and the receiver pause in a cycle.
    lazy : bool
        The receiver is ready for a word only after it was offered.
    """

    arch: ArchConfig
    seed: int
    jobs: tuple[Job, ...]
    stall_i: float
    stall_o: float
    lazy: bool

    @property
    def paces(self) -> list[Pace]:
        """How it runs: without a pause, and with its own if it has any."""
        own = Pace(self.stall_i, self.stall_o, self.seed, lazy=self.lazy)
        return [Pace(seed=self.seed), *([own] if own.stalled else [])]

    @property
    def outputs(self) -> int:
        """Outputs of all jobs together."""
        return sum(job.packed.rows * job.tokens for job in self.jobs)


def draw_scenario(arch: ArchConfig, seed: int, outputs: int = 3000) -> Scenario:
    """Return the scenario of ``seed``: the same one whenever it is asked for.

    Parameters
    ----------
    arch : ArchConfig
    seed : int
    outputs : int
        Jobs are added until they have at least as many.
    """
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    total = 0
    while total < outputs or len(cases) < 3:
        _, layer, activations = case = _draw_case(arch, rng, len(cases))
        cases.append(case)
        total += layer.rows * activations.shape[1]
    stall_i, stall_o = (float(stall) for stall in rng.choice(_STALLS, 2))
    lazy = bool(rng.random() < 0.5)
    return Scenario(arch, seed, tuple(make_jobs(cases, arch)), stall_i, stall_o, lazy)


def _draw_case(arch: ArchConfig, rng: np.random.Generator, number: int) -> Case:
    """A layer of any shape, direction, density and kind of output, with activations of many zeros or none."""
    direction = Direction(int(rng.integers(2)))
    # Half of the sizes sit around whole blocks, where padding begins and ends.
    edge = arch.segment * int(rng.integers(1, 4)) + int(rng.integers(-1, 2))
    sizes = [edge if rng.random() < 0.5 else int(rng.integers(1, _MOST_ROWS + 1)) for _ in range(2)]
    most_rows = min(_MOST_ROWS, arch.output_blocks * arch.segment or _MOST_ROWS)
    rows, cols = (
        max(1, min(size, most)) for size, most in zip(sizes, (most_rows, _MOST_INPUTS), strict=True)
    )
    extreme = bool(rng.random() < 0.1)
    layer = random_layer(rng, arch, (rows, cols), direction, float(rng.choice(_DENSITIES)), extreme=extreme)
    if arch.output_blocks and rng.random() < 0.7:
        relu, table = (bool(choice) for choice in rng.integers(0, 2, 2))
        requantized = with_outputs(rng, layer, arch, relu=relu, table=table)
        layer = requantized if _fits(requantized, arch) else layer
    activations = random_activations(rng, arch, layer, int(rng.integers(1, 4 * arch.tokens + 2)))
    activations[rng.random(cols) < rng.choice(_ZEROS)] = 0
    activations[rng.random(activations.shape) < 0.2] = 0
    return f"job {number}", layer, activations


def _fits(layer: QuantizedLayer, arch: ArchConfig) -> bool:
    """Whether blocks that must be whole to be requantized fit in one pass each."""
    try:
        pack([layer], arch)
    except ConfigError:
        return False
    return True
