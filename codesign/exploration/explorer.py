"""A whole exploration: a model and a space of designs to the designs worth building."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from boards.devices import find_device
from codesign.exploration.cost_model import CostErrors, shipped_cost_model
from codesign.exploration.designs import Design, DesignSpace, Pruning
from codesign.exploration.engine import Engine
from codesign.exploration.judging import JudgedMasks
from codesign.exploration.masks import Masks, ModelMasks
from codesign.exploration.measuring import Measurement
from codesign.exploration.outcome import Limits, Objective, Outcome, best_outcomes
from codesign.exploration.routing import route_cost
from codesign.exploration.search import Search
from codesign.exploration.store import Store, content_key
from codesign.exploration.technology import TECHNOLOGIES, Technology
from codesign.files import read_bytes
from codesign.subjects import Subject
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
    trials : int, optional
        Search the space with so many designs; all of it without.
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
    train, test : Path, optional
        Data to refit or train on, and to judge every pruned model on; see ``Subject``. Without ``train``
        none is judged.
    steps : int
        Training steps of every pruned model that is judged.

    Raises
    ------
    ConfigError
        If ``test`` or ``steps`` come without ``train``.
    """

    board: str = "ulx3s"
    objectives: Sequence[Objective] = (Objective.LATENCY, Objective.AREA, Objective.QUALITY)
    columns: int = 64
    most_ms: float | None = None
    trials: int | None = None
    routed: int = 0
    seeds: int = 3
    causes: int = 5
    technology: Technology = TECHNOLOGIES["45nm"]
    workers: int | None = None
    cluster: str | None = None
    train: Path | None = None
    test: Path | None = None
    steps: int = 0

    def __post_init__(self) -> None:
        if self.train is None and (self.test is not None or self.steps):
            raise ConfigError(
                "`--test` and `--steps` belong to `--train`; give the data to measure quality with"
            )

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
            If the model cannot be read or judged, or no design runs it within the limits.
        """
        if self.train is not None and is_packed(model):
            raise ConfigError(
                f"{model} is pruned already, so its quality is the same everywhere; leave `--train` out"
            )
        space = replace(space, judged=self.train is not None)
        store, workers = Store(cache_folder() / "explore"), self.workers or os.cpu_count() or 1
        with Engine(store, workers=workers, cluster=self.cluster) as engine:
            return self._explore(_Subject(self, model, engine, show), space, show)

    def _explore(self, subject: "_Subject", space: DesignSpace, show: ShowProgress) -> Exploration:
        if self.trials is None:
            designs, refusals = space.designs()
        else:
            designs, refusals = self._search(subject, space, self.trials), []
        outcomes = subject.judge(designs)
        front = best_outcomes(outcomes, self.objectives)
        if self.routed:
            outcomes = self._route(outcomes, front[: self.routed], show)
            front = best_outcomes(outcomes, self.objectives)
        if not front:
            raise ConfigError(_nothing_fits(outcomes, self.limits))
        for index, layers in zip(front, subject.causes(outcomes, front[: self.causes]), strict=False):
            outcomes[index] = outcomes[index].with_layers(layers)
        return Exploration(
            subject.name,
            self.board,
            self.objectives,
            outcomes,
            front,
            shipped_cost_model()[1],
            subject.points_per_second,
            refusals,
        )

    def _search(self, subject: "_Subject", space: DesignSpace, trials: int) -> list[Design]:
        """Return the designs that a search of ``space`` asks for."""
        space.check()
        facts = content_key(
            model=subject.content,
            space=[dict(space.base), {name: list(values) for name, values in space.choices.items()}],
            explorer=[self.board, *self.objectives, self.columns, self.most_ms, self.technology.name],
            trials=trials,
        )
        price = shipped_cost_model()[0].cost
        journal = cache_folder() / "searches" / f"{facts}.journal"
        return Search(space, self.objectives, self.limits, price, trials, journal).run(subject.judge)

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


class _Subject:
    """One model under exploration: what is pruned and measured on the way to its outcomes."""

    def __init__(self, explorer: Explorer, model: str, engine: Engine, show: ShowProgress) -> None:
        self.name = Path(model).name
        self._explorer = explorer
        self._model = model
        self._engine = engine
        self._show = show
        self._limits = explorer.limits
        self._seconds: list[float] = []

    @cached_property
    def _source(self) -> ModelMasks | JudgedMasks:
        its, cache = self._explorer, cache_folder() / "masks"
        if its.train is None:
            return ModelMasks(self._model, cache)
        return JudgedMasks(Subject(self._model, its.train, its.test), its.steps, cache)

    @cached_property
    def content(self) -> str:
        """Hash of the model."""
        if is_packed(self._model):
            return sha256(read_bytes(Path(self._model))).hexdigest()
        return self._source.digest

    @property
    def points_per_second(self) -> float | None:
        """Designs measured, not found, per second of processor time."""
        return len(self._seconds) / sum(self._seconds) if sum(self._seconds) else None

    def judge(self, designs: Sequence[Design]) -> list[Outcome]:
        """Return what is known of every design, its cost estimated."""
        its, costs, masks = self._explorer, shipped_cost_model()[0], self._prune(designs)
        pruned = [masks[design.pruning] for design in designs]
        jobs = [self._measurement(*pair) for pair in zip(designs, pruned, strict=True)]
        measured = self._measure("measuring", jobs)
        self._seconds += [result["seconds"] for result, now in measured if now]
        return [
            Outcome(
                design=design,
                masks=own,
                error=result["error"],
                layers=result["layers"],
                tokens=its.columns,
                cost=costs.cost(design.arch),
                limits=self._limits,
                technology=its.technology,
            )
            for design, own, (result, _) in zip(designs, pruned, measured, strict=True)
        ]

    def causes(self, outcomes: Sequence[Outcome], chosen: Sequence[int]) -> list[Any]:
        """Return the layers of the chosen outcomes with what all cycles go to."""
        jobs = [self._measurement(outcomes[index].design, outcomes[index].masks) for index in chosen]
        found = self._measure("finding causes", [replace(job, causes=True) for job in jobs])
        return [result["layers"] for result, _ in found]

    def _measurement(self, design: Design, masks: Masks | None) -> Measurement:
        columns = self._explorer.columns
        if masks is not None:
            return Measurement(masks.folder, masks.key, design.arch, columns)
        return Measurement(str(Path(self._model).absolute()), self.content, design.arch, columns)

    def _measure(self, what: str, jobs: Sequence[Measurement]) -> list[tuple[dict[str, Any], bool]]:
        with self._show(what, len(jobs), "designs") as advance:
            return self._engine.measure_all(jobs, advance)

    def _prune(self, designs: Sequence[Design]) -> dict[Pruning | None, Masks | None]:
        """Prune the model once for every pruning that some design has."""
        prunings = list(dict.fromkeys(one.pruning for one in designs if one.pruning is not None))
        masks: dict[Pruning | None, Masks | None] = {None: None}
        if prunings:
            what = "pruning" if self._explorer.train is None else "pruning and judging"
            with self._show(what, len(prunings) * self._source.weights, "weights") as advance:
                masks |= {one: self._source.prune(one, advance) for one in prunings}
        return masks


def is_packed(model: str) -> bool:
    """Whether ``model`` names a packed file."""
    return Path(model).suffix == _PACKED


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
