"""Training with the accelerator's integers: weights and inputs rounded in the forward pass."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from sw.fake_quantize import fake_quantize_inputs, fake_quantize_rows
from sw.int8 import calibrate_scales
from sw.masked_weight import MaskedModel
from sw.targets import Target
from sw.task import Task

__all__ = ["Rounding"]


class Rounding:
    """Rounds a masked model's numbers as the integer model will; see ``sw.fake_quantize``.

    Parameters
    ----------
    task : Task
        Its training batches set the scales of the inputs when rounding begins.
    batches, size : int
        Batches for that, and samples in each.
    weight_width, activation_width : int
        Bits.
    seed : int
        Of the batches.

    Attributes
    ----------
    scales : dict of str to float
        Of every target's input; empty until rounding begins.
    """

    def __init__(
        self,
        task: Task[Any],
        *,
        batches: int,
        size: int,
        weight_width: int = 8,
        activation_width: int = 8,
        seed: int = 0,
    ) -> None:
        self.task, self.batches, self.size, self.seed = task, batches, size, seed
        self.weight_width, self.activation_width = weight_width, activation_width
        self.scales: dict[str, float] = {}

    def calibrate(self, model: nn.Module, targets: Mapping[str, Target]) -> dict[str, float]:
        """Return the scales that ``model``, as it is, needs."""
        return calibrate_scales(
            model,
            targets,
            self.task,
            batches=self.batches,
            size=self.size,
            generator=torch.Generator().manual_seed(self.seed),
            device=next(model.parameters()).device,
            width=self.activation_width,
        )

    def __call__(self, masked: MaskedModel) -> ExitStack:
        """Make the model round from now on; leaving what is returned undoes it."""
        self.scales = self.scales or self.calibrate(masked.model, masked.targets)
        stack = ExitStack()
        masked.set_quantizer(lambda weight: fake_quantize_rows(weight, self.weight_width))
        stack.callback(masked.set_quantizer, None)
        for name, target in masked.targets.items():
            for module in target.modules:
                handle = module.register_forward_pre_hook(self._rounder(self.scales[name]))
                stack.callback(handle.remove)
        return stack

    def _rounder(self, scale: float) -> Any:
        def round_input(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return fake_quantize_inputs(inputs[0], scale, self.activation_width), *inputs[1:]

        return round_input
