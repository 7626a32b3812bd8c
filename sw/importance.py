"""Importance of weights while they are trained, from what every backward pass says of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from spec.errors import ConfigError
from sw.masked_weight import MaskedModel
from sw.scores import Score, score_weights
from sw.statistics import LayerStatistics

__all__ = ["Importance", "check_statistics"]

_MEMORY: Final = 0.98
"""Share of the running mean of squared gradients that stays from step to step: about 50 steps."""
_SOFT_RATE: Final = 1e-2
"""Learning rate of soft movement's scores, as in Sanh et al. (arXiv:2005.07683)."""
_SOFT_PENALTY: Final = 1e-4
"""Weight of soft movement's penalty: the mean of sigmoid(S) over a matrix."""


class Importance:
    """Scores of a model's weights that follow its training.

    The weights are those of now. A pruned one was set to 0; until the next mask only the optimizer's
    momentum moves it, so what was pruned by a hair may come back. Squared gradients are a running mean,
    Hessians are those of the calibration. ``MOVEMENT`` sums -w·∂loss/∂w over the steps, times the
    learning rate; ``SOFT_MOVEMENT`` learns one score per weight with Adam, under a penalty on its sigmoid
    (both arXiv:2005.07683). These two need gradients that pass straight through the mask.

    Parameters
    ----------
    score : Score
    masked : MaskedModel
    statistics : mapping of str to LayerStatistics, optional
        From calibration; for scores that need a Hessian.

    Raises
    ------
    ConfigError
        If the score needs calibration that is missing.
    """

    def __init__(
        self,
        score: Score,
        masked: MaskedModel,
        statistics: Mapping[str, LayerStatistics] | None = None,
    ) -> None:
        check_statistics(score, statistics)
        self.score, self._masked, self._statistics = score, masked, dict(statistics or {})
        self._sums: dict[str, torch.Tensor] = {}
        self._moments: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._steps = 0

    def renew(self, statistics: Mapping[str, LayerStatistics]) -> None:
        """Take squared gradients from calibration instead of :meth:`update`, half of them new each time."""
        for name, its in statistics.items():
            if its.gradient_square is not None:
                new = its.gradient_square
                old = self._sums.get(name)
                self._sums[name] = new if old is None else (old + new.to(old.device)) / 2

    def update(self, learning_rate: float) -> None:
        """Take in the gradients of the last backward pass, before the optimizer's step."""
        self._steps += 1
        if not (self.score.needs_gradients or self.score.needs_training):
            return
        for name in self._masked.targets:
            gradient = self._masked.gradients(name)
            if name not in self._sums:
                self._sums[name] = torch.zeros_like(gradient)
            total = self._sums[name]
            if self.score is Score.FISHER:
                total.mul_(_MEMORY).addcmul_(gradient, gradient, value=1 - _MEMORY)
            elif self.score is Score.MOVEMENT:
                total.addcmul_(self._masked.weights(name), gradient, value=-learning_rate)
            else:
                self._learn(name, total, self._masked.weights(name) * gradient)

    def scores(self) -> dict[str, NDArray[np.float32]]:
        """Return the importance of every weight now, at least 0, M x K by name."""
        # One shift for all matrices, or a threshold across them would change.
        lowest = min((float(total.min()) for total in self._sums.values()), default=0.0)
        return {name: self._matrix(name, lowest) for name in self._masked.targets}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {"sums": self._sums, "moments": self._moments, "steps": self._steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        self._sums, self._moments = dict(state["sums"]), dict(state["moments"])
        self._steps = int(state["steps"])

    def _matrix(self, name: str, lowest: float) -> NDArray[np.float32]:
        weight = self._masked.weights(name).float().cpu().numpy()
        known = self._statistics.get(name, LayerStatistics(tokens=0))
        total = self._sums.get(name)
        if total is None:
            # Nothing has moved yet, or nothing needs to.
            score = Score.MAGNITUDE if self.score.needs_training else self.score
            if score.needs_gradients:
                known = replace(known, gradient_square=torch.zeros(weight.shape))
            return score_weights(weight, score, statistics=known)
        values = total.float().cpu()
        if self.score.needs_training:
            return score_weights(weight, self.score, movement=(values - lowest).numpy())
        return score_weights(weight, self.score, statistics=replace(known, gradient_square=values))

    def _learn(self, name: str, score: torch.Tensor, gradient: torch.Tensor) -> None:
        """One Adam step on the scores of one matrix."""
        squashed = torch.sigmoid(score)
        gradient = gradient + _SOFT_PENALTY * squashed * (1 - squashed) / score.numel()
        if name not in self._moments:
            self._moments[name] = torch.zeros_like(score), torch.zeros_like(score)
        first, second = self._moments[name]
        first.mul_(0.9).add_(gradient, alpha=0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        mean = first / (1 - 0.9**self._steps)
        deviation = (second / (1 - 0.999**self._steps)).sqrt_().add_(1e-12)
        score.addcdiv_(mean, deviation, value=-_SOFT_RATE)


def check_statistics(score: Score, statistics: Mapping[str, LayerStatistics] | None) -> None:
    """Refuse a score that needs calibration without it.

    Raises
    ------
    ConfigError
        If ``statistics`` are missing.
    """
    if score.needs_hessian and statistics is None:
        raise ConfigError(f"score {score.value} needs calibration statistics; give them or use fisher")
