"""Training with the accelerator's integers: weights and inputs rounded in the forward pass."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from sw.fake_quantize import fake_quantize_rows
from sw.input_calibration import calibrate_inputs
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.masked_weight import MaskedModel, Quantizer
from sw.targets import Target
from sw.task import Task

__all__ = ["Rounding"]


class Rounding:
    """Rounds a masked model's numbers as the integer model will; see ``sw.fake_quantize``.

    Parameters
    ----------
    task : Task
        Its training batches calibrate the quantizers of the inputs when rounding begins.
    batches, size : int
        Batches for that, and samples in each.
    weight_width, activation_width : int
        Bits.
    seed : int
        Of the batches.
    options : InputOptions, optional
        See ``sw.input_calibration.calibrate_inputs``.

    Attributes
    ----------
    inputs : dict of str to InputQuantizer
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
        options: InputOptions | None = None,
    ) -> None:
        self.task, self.batches, self.size, self.seed = task, batches, size, seed
        self.weight_width, self.activation_width = weight_width, activation_width
        self.options = options or InputOptions()
        self.inputs: dict[str, InputQuantizer] = {}

    def calibrate(self, model: nn.Module, targets: Mapping[str, Target]) -> dict[str, InputQuantizer]:
        """Return the quantizers that ``model``, as it is, needs."""
        return calibrate_inputs(
            model,
            targets,
            self.task,
            batches=self.batches,
            size=self.size,
            generator=torch.Generator().manual_seed(self.seed),
            device=next(model.parameters()).device,
            width=self.activation_width,
            options=self.options,
        )

    def __call__(self, masked: MaskedModel) -> ExitStack:
        """Make the model round from now on; leaving what is returned undoes it."""
        self.inputs = self.inputs or self.calibrate(masked.model, masked.targets)
        stack = ExitStack()
        masked.set_quantizers({name: self._weight_rounder(its) for name, its in self.inputs.items()})
        stack.callback(masked.set_quantizers, {})
        for name, target in masked.targets.items():
            for module in target.modules:
                handle = module.register_forward_pre_hook(_input_rounder(self.inputs[name]))
                stack.callback(handle.remove)
        return stack

    def _weight_rounder(self, inputs: InputQuantizer) -> Quantizer:
        def round_weight(weight: torch.Tensor) -> torch.Tensor:
            return inputs.unfolded(fake_quantize_rows(inputs.folded(weight), self.weight_width))

        return round_weight


def _input_rounder(inputs: InputQuantizer) -> Any:
    def round_input(_: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return inputs.rounded(given[0]), *given[1:]

    return round_input
