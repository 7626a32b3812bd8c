"""Many scenarios on many architectures, several at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Final

import numpy as np

from codesign.processes import process_pool
from codesign.regression.random_arch import random_arch
from codesign.regression.scenario import draw_scenario
from codesign.regression.trial import ScenarioResult, run_scenario
from sim.simulator import Simulator
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["RANDOM", "Batch", "load_arch", "run_batches"]

RANDOM: Final = "random:"
"""In front of a number it names a random architecture."""


@dataclass(frozen=True)
class Batch:
    """Scenarios on one architecture, which is compiled once for them.

    Parameters
    ----------
    arch : str
        Preset, JSON file, or ``random:N``.
    seeds : tuple of int
        Of the scenarios.
    outputs : int
        At least so many in each.
    simulator : Simulator
    """

    arch: str
    seeds: tuple[int, ...]
    outputs: int
    simulator: Simulator = Simulator.VERILATOR


def load_arch(name: str) -> ArchConfig:
    """Return a preset, the architecture in a JSON file, or the one that ``random:N`` stands for.

    Raises
    ------
    ConfigError
        If it is none of them.
    """
    if not name.startswith(RANDOM):
        return ArchConfig.load(name)
    number = name.removeprefix(RANDOM)
    if not (number.isascii() and number.isdigit()):
        raise ConfigError(f"a random architecture is named by a number, as {RANDOM}17, not {name}")
    return random_arch(np.random.default_rng(int(number)))


def run_batches(
    batches: Sequence[Batch], *, workers: int, progress: Callable[[ScenarioResult], None] | None = None
) -> list[tuple[Batch, ScenarioResult]]:
    """Run all scenarios; return their results in order.

    Parameters
    ----------
    batches : sequence of Batch
    workers : int
        Processes; one stays in this process.
    progress : callable, optional
        Called with every result when it is there.
    """
    found: dict[tuple[int, int], ScenarioResult] = {}
    for place, results in _results(batches, workers):
        for number, result in enumerate(results):
            found[place, number] = result
            if progress is not None:
                progress(result)
    return [(batches[place], found[place, number]) for place, number in sorted(found)]


def _results(batches: Sequence[Batch], workers: int) -> Iterator[tuple[int, list[ScenarioResult]]]:
    if workers == 1 or len(batches) == 1:
        yield from ((place, _run_batch(batch)) for place, batch in enumerate(batches))
        return
    with process_pool(min(workers, len(batches))) as pool:
        waiting = {pool.submit(_run_batch, batch): place for place, batch in enumerate(batches)}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _run_batch(batch: Batch) -> list[ScenarioResult]:
    arch = load_arch(batch.arch)
    return [run_scenario(draw_scenario(arch, seed, batch.outputs), batch.simulator) for seed in batch.seeds]
