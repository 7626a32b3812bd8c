"""What a model is for: where its batches come from, what it is trained to do, how well it does."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import nn

__all__ = ["Task"]

Batch = TypeVar("Batch")


class Task(ABC, Generic[Batch]):
    """Data and figures of merit, as recovery and evaluation see them.

    A task holds its data and knows how to call its model; where there are no labels it keeps a copy of the
    dense model to judge by. Training batches come from one split, figures from another.

    Attributes
    ----------
    quality : str
        Key of ``measure`` by which methods are compared.
    rising : bool
        Whether a higher quality is better.
    probes : bool
        Whether Fisher scores follow ``probe`` instead of the gradients of training.
    """

    quality: str
    rising: bool
    probes: bool = False

    @abstractmethod
    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> Batch:
        """Return ``size`` training samples drawn with ``generator`` (a CPU generator)."""

    @abstractmethod
    def outputs(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Return what the model makes of the batch: logits or embeddings, with their gradient."""

    @abstractmethod
    def loss(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss against the labels of the batch, a scalar."""

    @abstractmethod
    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean distance from the dense model's outputs: the distillation loss, a scalar."""

    def probe(self, outputs: torch.Tensor, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Return a scalar whose squared gradient says how much the outputs depend on a weight.

        The loss, unless a task overrides it: its gradient vanishes where the dense model is the judge.
        """
        return self.loss(outputs, batch)

    @abstractmethod
    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return the figures of merit of ``model`` on the held-out split; ``quality`` is among them."""
