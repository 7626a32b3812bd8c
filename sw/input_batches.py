"""Calibration with nothing but inputs: what a user has who only wants to run a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError
from sw.task import Task

__all__ = ["InputBatches", "call"]

Inputs = Mapping[str, torch.Tensor] | torch.Tensor


class InputBatches(Task[Inputs]):
    """A task without labels: batches of a model's inputs, one after the other and again from the first.

    It calibrates, and trains towards what a teacher makes of the inputs (``distillation`` 1). It judges
    nothing.

    Parameters
    ----------
    batches : sequence of mapping of str to Tensor, or of Tensor
        Keyword arguments of the model, or its only argument.

    Raises
    ------
    ConfigError
        If there is none.
    """

    quality = "none"
    rising = True

    def __init__(self, batches: Sequence[Inputs]) -> None:
        if not batches:
            raise ConfigError("calibration needs at least one batch of the model's inputs, not none")
        self.batches = tuple(batches)
        self._drawn = 0

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> Inputs:
        """Return the next batch as it is, whatever ``size``."""
        inputs = self.batches[self._drawn % len(self.batches)]
        self._drawn += 1
        if isinstance(inputs, torch.Tensor):
            return inputs.to(device)
        return {name: value.to(device) for name, value in inputs.items()}

    def outputs(self, model: nn.Module, batch: Inputs) -> torch.Tensor:
        """Return the first tensor of what the model returns."""
        found = call(model, batch)
        while not isinstance(found, torch.Tensor):
            found = next(iter(found.values() if isinstance(found, Mapping) else found))
        return found

    def loss(self, outputs: torch.Tensor, batch: Inputs) -> torch.Tensor:
        """Refuse: there are no labels."""
        raise ConfigError("calibration inputs have no labels to train with; give a task, or do not train")

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: Inputs) -> torch.Tensor:
        """Return the mean squared difference."""
        return functional.mse_loss(outputs, teacher)

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Refuse: nothing is held out."""
        raise ConfigError("calibration inputs judge nothing; give a task")


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Return what ``model`` makes of a batch."""
    return model(inputs) if isinstance(inputs, torch.Tensor) else model(**inputs)
