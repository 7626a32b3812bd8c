"""A whole exploration: a model and a space of designs to the designs worth building."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from boards.devices import find_device
from codesign.exploration.cost_model import CostErrors, shipped_cost_model
from codesign.exploration.designs import Design, DesignSpace
from codesign.exploration.engine import measure_all
from codesign.exploration.masks import Masks, ModelMasks
from codesign.exploration.measuring import Measurement
from codesign.exploration.outcome import Limits, Objective, Outcome, best_outcomes
from codesign.exploration.routing import route_cost
from codesign.exploration.store import Store
from codesign.exploration.technology import TECHNOLOGIES, Technology
from codesign.files import read_bytes
from sim.simulator import cache_folder
from spec.errors import ConfigError

__all__ = ["Exploration", "Explorer", "is_packed"]

ShowProgress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]

_PACKED: Final = ".mxv"


@dataclass(frozen=True, eq=False)
class Exploration:
    """What an exploration found.

    Parameters
    ----------
    model : str
    board : str
    objectives : sequence of Objective
    outcomes : sequence of Outcome
        Of every design of the space, in its order.
    front : sequence of int
        Indices of the best ones, by the first objective; at least one.
    errors : CostErrors
        Of the cost model.
    points_per_second : float, optional
        Designs measured per second of processor time; None if all were known.
    refusals : sequence of str
        Combinations that are no architecture, and why.
    """

    model: str
    board: str
    objectives: Sequence[Objective]
    outcomes: Sequence[Outcome]
    front: Sequence[int]
    errors: CostErrors
    points_per_second: float | None
    refusals: Sequence[str]

    @property
    def best(self) -> list[Outcome]:
        """Outcomes of the front."""
        return [self.outcomes[index] for index in self.front]


@dataclass(frozen=True)
class Explorer:
    """How to explore.

    Parameters
    ----------
    board : str
    objectives : sequence of Objective
    columns : int
        Activation columns N of the job.
    most_ms : float, optional
        Longest time for the whole model.
    routed, seeds : int
        How many designs of the front are placed and routed, and how often each.
    causes : int
        Of how many designs of the front it is found out what all their cycles go to; a second or more each.
    technology : Technology
        Whose energy is estimated.
    workers : int, optional
        Processes; as many as there are cores.
    cluster : str, optional
        Address of a Dask scheduler to run on instead.

    Raises
    ------
    ConfigError
        If the board is unknown.
    """

    board: str = "ulx3s"
    objectives: Sequence[Objective] = (Objective.LATENCY, Objective.AREA, Objective.QUALITY)
    columns: int = 64
    most_ms: float | None = None
    routed: int = 0
    seeds: int = 3
    causes: int = 5
    technology: Technology = TECHNOLOGIES["45nm"]
    workers: int | None = None
    cluster: str | None = None

    @property
    def limits(self) -> Limits:
        """What designs of the front must meet."""
        return Limits(find_device(self.board), self.most_ms)

    def explore(self, model: str, space: DesignSpace, show: ShowProgress) -> Exploration:
        """Return the exploration of ``space`` for ``model``; what is in the cache is not computed again.

        Parameters
        ----------
        model : str
            As of ``load_matrices``, or a packed file; then ``space`` has no sparsities.
        space : DesignSpace
        show : callable
            Opens a progress bar: description, total and unit to a context of the function that advances it.

        Raises
        ------
        ConfigError, FormatError
            If the model cannot be read, or no design runs it within the limits.
        """
        limits, (costs, errors) = self.limits, shipped_cost_model()
        designs, refusals = space.designs()
        pruned = self._prune(model, designs, show)
        jobs = [_measurement(model, design, masks, self.columns) for design, masks in pruned]
        measured = self._measure("measuring", jobs, show)
        outcomes = [
            Outcome(
                design, masks, result["error"], result["layers"], self.columns, cost, limits, self.technology
            )
            for (design, masks), (result, _) in zip(pruned, measured, strict=True)
            for cost in (costs.cost(design.arch),)
        ]
        front = best_outcomes(outcomes, self.objectives)
        if self.routed:
            outcomes = self._route(outcomes, front[: self.routed], show)
            front = best_outcomes(outcomes, self.objectives)
        if not front:
            raise ConfigError(_nothing_fits(outcomes, limits))
        causes = [replace(jobs[index], causes=True) for index in front[: self.causes]]
        for index, (result, _) in zip(front, self._measure("finding causes", causes, show), strict=False):
            outcomes[index] = outcomes[index].with_layers(result["layers"])
        fresh = [result["seconds"] for result, now in measured if now]
        rate = len(fresh) / sum(fresh) if sum(fresh) else None
        name = Path(model).name
        return Exploration(name, self.board, self.objectives, outcomes, front, errors, rate, refusals)

    def _measure(
        self, what: str, jobs: Sequence[Measurement], show: ShowProgress
    ) -> list[tuple[dict[str, Any], bool]]:
        store, workers = Store(cache_folder() / "explore"), self.workers or os.cpu_count() or 1
        with show(what, len(jobs), "designs") as advance:
            return measure_all(jobs, store, workers=workers, cluster=self.cluster, progress=advance)

    def _prune(
        self, model: str, designs: Sequence[Design], show: ShowProgress
    ) -> list[tuple[Design, Masks | None]]:
        """Prune the model once for every pruning that some design has."""
        prunings = list(dict.fromkeys(one.pruning for one in designs if one.pruning is not None))
        masks: dict[object, Masks | None] = {None: None}
        if prunings:
            source = ModelMasks(model, cache_folder() / "masks")
            with show("pruning", len(prunings) * source.weights, "weights") as advance:
                masks |= {one: source.prune(one, advance) for one in prunings}
        return [(design, masks[design.pruning]) for design in designs]

    def _route(self, outcomes: Sequence[Outcome], chosen: Sequence[int], show: ShowProgress) -> list[Outcome]:
        """Return the outcomes, estimates of the chosen ones replaced by routed figures."""
        routed = list(outcomes)
        with show("placing and routing", len(chosen), "designs") as advance:
            for index in chosen:
                store = Store(cache_folder() / "routed")
                routed[index] = outcomes[index].with_cost(
                    route_cost(outcomes[index].arch, range(1, self.seeds + 1), store)
                )
                advance(1)
        return routed


def is_packed(model: str) -> bool:
    """Whether ``model`` names a packed file."""
    return Path(model).suffix == _PACKED


def _measurement(model: str, design: Design, masks: Masks | None, columns: int) -> Measurement:
    if masks is not None:
        return Measurement(masks.folder, masks.key, design.arch, columns)
    content = sha256(read_bytes(Path(model))).hexdigest()
    return Measurement(str(Path(model).absolute()), content, design.arch, columns)


def _nothing_fits(outcomes: Sequence[Outcome], limits: Limits) -> str:
    """Why the front is empty."""
    running = [outcome for outcome in outcomes if outcome.error is None]
    if not running:
        return f"no design can run the model; the first cannot: {outcomes[0].error}"
    smallest = min(running, key=lambda outcome: max(outcome.usage.values()))
    name, share = max(smallest.usage.items(), key=lambda item: item[1])
    if share > 1:
        return (
            f"no design fits the {limits.device.name}; the smallest takes {100 * share:.0f} % of its {name}; "
            f"try fewer PEs or smaller memories"
        )
    fastest = min(outcome.latency_ms for outcome in running if max(outcome.usage.values()) <= 1)
    return f"no design meets `--most-ms` {limits.most_ms:g}; the fastest that fits takes {fastest:.3g} ms"
