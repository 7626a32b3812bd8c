"""What is trained, for how long, and how fast, while a model is pruned."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from spec.errors import ConfigError
from sw.scores import Score

__all__ = ["RecoveryOptions", "Trained"]

_FINAL_RATE: Final = 0.02
"""Learning rate at the end, as a share of the highest."""


class Trained(Enum):
    """What of a model training changes; the value is its name on the command line."""

    ALL = "all"
    """Every parameter."""
    NO_TABLES = "no-tables"
    """All but the tables of tokens and positions. A token's row has a gradient only when the token comes up,
    and AdamW then moves it by about ten learning rates in all, however small the gradient."""
    MATRICES = "matrices"
    """The pruned matrices alone: what lies around them stays as it was, biases and norms too."""


@dataclass(frozen=True)
class RecoveryOptions:
    """How a model is trained while and after it is pruned.

    Parameters
    ----------
    steps : int
        Optimizer steps in all, at least 1.
    size : int
        Samples per step.
    learning_rate : float
        Highest rate of AdamW; it warms up linearly and falls as a cosine to a fiftieth.
    warm_up : int
        Steps of the warm-up.
    observed : int
        Steps before pruning starts, so that scores have seen some gradients.
    ramp : float
        Share of the steps after which the last weight is pruned.
    interval : int
        Steps between masks.
    score : Score
    distillation : float
        Weight of the distance from the dense model's outputs, 0 to 1; the task's loss has the rest.
    quantized : float
        Share of the steps, at the end, in which weights and inputs are rounded as the accelerator has them.
    weight_decay : float
    dropout : bool
        Let the model drop what its config says, from noise that depends on seed and step only. Without it
        student and teacher differ by what was pruned alone.
    trained : Trained
    bfloat16 : bool
        Multiply in bfloat16 until numbers are rounded; parameters, gradients and losses stay float32. Worth
        it where the processor multiplies it in hardware (AMX, tensor cores).
    seed : int
        Of the batches.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    steps: int = 1000
    size: int = 16
    learning_rate: float = 4e-3
    warm_up: int = 20
    observed: int = 20
    ramp: float = 0.5
    interval: int = 10
    score: Score = Score.FISHER
    distillation: float = 0.9
    quantized: float = 0.0
    weight_decay: float = 0.01
    dropout: bool = False
    trained: Trained = Trained.ALL
    bfloat16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "size", "interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1, not {getattr(self, name)}")
        for name in ("ramp", "distillation", "quantized"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must be from 0 to 1, not {getattr(self, name):g}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"`learning_rate` must be positive, not {self.learning_rate:g}")

    @property
    def pruned_at(self) -> int:
        """Step by which the final mask is reached."""
        return min(max(round(self.steps * self.ramp), self.observed), self.steps - 1)

    @property
    def quantized_at(self) -> int:
        """Step from which numbers are rounded."""
        return self.steps - round(self.steps * self.quantized)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        warm = min(1.0, (step + 1) / max(self.warm_up, 1))
        falling = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * warm * falling
