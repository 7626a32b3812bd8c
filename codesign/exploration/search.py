"""Search of a space that is too large to measure in full: designs that breed towards the front."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codesign.exploration.cost import Cost
from codesign.exploration.designs import Design, DesignSpace
from codesign.exploration.front import pareto_front
from codesign.exploration.outcome import RESOURCES, Limits, Objective, Outcome
from spec.arch import ArchConfig
from spec.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Study, Trial

__all__ = ["Search"]

Judge = Callable[[Sequence[Design]], Sequence[Outcome]]

_GENERATION: Final = 40
_SAMPLE: Final = 4000
"""Designs whose cost alone is looked at, to begin with the promising ones."""
_LIMITS: Final = "limits"
_NAME: Final = "search"


@dataclass(frozen=True)
class Search:
    """NSGA-II over the values of a space, by Optuna.

    Parameters
    ----------
    space : DesignSpace
    objectives : sequence of Objective
    limits : Limits
        A design outside them is bred from only while there is none inside.
    price : callable
        What an architecture costs, at once.
    trials : int
        Designs asked for, those that are asked for twice included.
    journal : Path
        Where every answer is kept: interrupted or killed, the same search goes on from it.
    seed : int
    """

    space: DesignSpace
    objectives: Sequence[Objective]
    limits: Limits
    price: Callable[[ArchConfig], Cost]
    trials: int
    journal: Path
    seed: int = 0

    def run(self, judge: Judge) -> list[Design]:
        """Return all possible designs that were asked for, each once.

        Parameters
        ----------
        judge : callable
            Measures designs, which are not always new.

        Raises
        ------
        ConfigError
            If Optuna is not installed, or no design that was asked for is possible.
        """
        study = self._study()
        if not study.get_trials(deepcopy=False):
            for choice in self._promising():
                study.enqueue_trial(choice)
        while (left := self.trials - sum(one.state.is_finished() for one in study.get_trials(False))) > 0:
            self._breed(study, judge, min(left, _GENERATION))
        found: dict[Design, None] = {}
        reason = ""
        for one in study.get_trials(False):
            if not one.state.is_finished():
                continue
            try:
                found[self.space.design(one.params)] = None
            except ConfigError as error:
                reason = str(error)
        if not found:
            raise ConfigError(
                f"none of {self.trials} combinations is an architecture; the last is not because {reason}"
            )
        return list(found)

    def _study(self) -> "Study":
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ImportError:
            raise ConfigError(
                f"{self.space.size:,} designs need a search by Optuna; install it with "
                f"pip install 'mixvec[search]', or give fewer values"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def opened() -> "Study":
            return optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(self.journal))),
                study_name=_NAME,
                load_if_exists=True,
                directions=["minimize"] * len(self.objectives),
                sampler=optuna.samplers.NSGAIISampler(population_size=_GENERATION, seed=self.seed),
            )

        try:
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            try:
                return opened()
            except (ValueError, LookupError, TypeError, AssertionError):
                # Damaged: whatever it held is measured again, or found in the cache.
                self.journal.unlink()
                return opened()
        except OSError as error:
            raise ConfigError(
                f"the search cannot be kept in {self.journal.parent}: {error.strerror or error}; free space "
                f"there, or set MIXVEC_CACHE to another folder"
            ) from None

    def _breed(self, study: "Study", judge: Judge, count: int) -> None:
        """Ask for ``count`` designs, measure the possible ones together, and tell how they are."""
        from optuna.distributions import BaseDistribution, CategoricalDistribution
        from optuna.trial import TrialState

        every: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(tuple(values)) for name, values in self.space.choices.items()
        }
        asked: list[tuple[Trial, Design]] = []
        for _ in range(count):
            trial = study.ask(every)
            try:
                asked.append((trial, self.space.design(trial.params)))
            except ConfigError:
                study.tell(trial, state=TrialState.FAIL)
        outcomes = judge([design for _, design in asked]) if asked else []
        for (trial, _), outcome in zip(asked, outcomes, strict=True):
            if outcome.error is not None:
                study.tell(trial, state=TrialState.FAIL)
                continue
            trial.set_constraint(_LIMITS, outcome.excess)
            study.tell(trial, [outcome.objective(one) for one in self.objectives])

    def _promising(self) -> list[dict[str, Any]]:
        """Choices whose cost, and the least time that their multipliers need, no other of a sample beats."""
        rng = random.Random(self.seed)
        choices: list[dict[str, Any]] = []
        guesses: list[tuple[float, float, float]] = []
        for _ in range(_SAMPLE):
            choice = {name: rng.choice(list(values)) for name, values in self.space.choices.items()}
            try:
                design = self.space.design(choice)
            except ConfigError:
                continue
            cost, kept = (
                self.price(design.arch),
                1.0 if design.pruning is None else 1 - design.pruning.sparsity,
            )
            area = max(getattr(cost, name) / getattr(self.limits.device, name) for name in RESOURCES)
            if area <= 1:
                choices.append(choice)
                guesses.append((kept / (design.arch.pes * cost.fmax_mhz), area, -kept))
        front = pareto_front(guesses)
        rng.shuffle(front)
        return [choices[index] for index in front[: _GENERATION // 2]]
