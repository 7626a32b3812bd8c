"""Masked weights inside a module: trained dense, multiplied sparse, rounded if asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from sw.targets import Target

__all__ = ["MaskedModel", "MaskedWeight", "Quantizer"]

Quantizer = Callable[[torch.Tensor], torch.Tensor]


class MaskedWeight(nn.Module):
    """Parametrization of one module's weight: multiplies by the mask, then quantizes.

    Parameters
    ----------
    weight : Tensor
        In the module's own layout; sets shape and device of the mask.
    straight_through : bool
        Whether pruned weights receive the gradient of the weight that is multiplied. They need it where
        scores are learned (movement), and stay as they are otherwise.
    """

    mask: torch.Tensor

    def __init__(self, weight: torch.Tensor, *, straight_through: bool = False) -> None:
        super().__init__()
        self.straight_through = straight_through
        self.quantizer: Quantizer | None = None
        self.register_buffer("mask", torch.ones_like(weight, requires_grad=False))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight that the module multiplies with."""
        if self.straight_through:
            masked = weight + (weight * self.mask - weight).detach()
        else:
            masked = weight * self.mask
        return masked if self.quantizer is None else self.quantizer(masked)


class MaskedModel:
    """A model whose targets carry masks while it is trained.

    Use as a context manager: on leaving, masked (and quantized) weights become the plain weights.

    Parameters
    ----------
    model : Module
        Changed in place.
    targets : mapping of str to Target
    straight_through : bool
        See :class:`MaskedWeight`.
    """

    def __init__(
        self, model: nn.Module, targets: Mapping[str, Target], *, straight_through: bool = False
    ) -> None:
        self.model, self.targets = model, dict(targets)
        self._weights: dict[str, tuple[MaskedWeight, ...]] = {}
        for name, target in self.targets.items():
            made = []
            for module in target.modules:
                weight: torch.Tensor = module.weight  # type: ignore[assignment]
                masked = MaskedWeight(weight.detach(), straight_through=straight_through)
                parametrize.register_parametrization(module, "weight", masked, unsafe=True)
                made.append(masked)
            self._weights[name] = tuple(made)

    def __enter__(self) -> "MaskedModel":
        return self

    def __exit__(self, *error: object) -> None:
        for target in self.targets.values():
            for module in target.modules:
                parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)

    def set_masks(self, masks: Mapping[str, torch.Tensor]) -> None:
        """Take new masks, M x K by name; pruned weights become 0 unless gradients pass straight through."""
        with torch.no_grad():
            for name, target in self.targets.items():
                for masked, part, dense in zip(
                    self._weights[name], target.split(masks[name]), self.dense(name), strict=True
                ):
                    masked.mask.copy_(part)
                    if not masked.straight_through:
                        dense.mul_(masked.mask)

    def set_quantizers(self, quantizers: Mapping[str, Quantizer]) -> None:
        """Round the weights of these targets from now on, and of no others.

        A quantizer is a function of the M x K weights of one module.
        """
        for name, target in self.targets.items():
            quantizer = quantizers.get(name)
            for masked in self._weights[name]:
                masked.quantizer = None if quantizer is None else _in_layout(quantizer, target.transposed)

    def dense(self, name: str) -> tuple[torch.Tensor, ...]:
        """Return the trained parameters of one target, one for each module, in the modules' layout."""
        lists: list[Any] = [module.parametrizations for module in self.targets[name].modules]
        return tuple(one.weight.original for one in lists)

    def weights(self, name: str) -> torch.Tensor:
        """Return the trained weights of one target, M x K, pruned ones included."""
        return self.targets[name].join([dense.detach() for dense in self.dense(name)])

    def gradients(self, name: str) -> torch.Tensor:
        """Return the gradient of the last backward pass, M x K; 0 where there is none."""
        parts = [torch.zeros_like(dense) if dense.grad is None else dense.grad for dense in self.dense(name)]
        return self.targets[name].join(parts)


def _in_layout(quantizer: Quantizer, transposed: bool) -> Quantizer:
    if not transposed:
        return quantizer
    return lambda weight: quantizer(weight.T).T
