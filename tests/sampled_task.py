"""A task on drawn samples, and calibration on them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sw.input_calibration import calibrate_inputs
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.targets import Target
from sw.task import Task

__all__ = ["Samples", "calibrate"]


class Samples(Task[torch.Tensor]):
    """Batches of one distribution, kept for the judge."""

    quality = "none"
    rising = True

    def __init__(self, draw: Callable[[torch.Generator, int], torch.Tensor]) -> None:
        self.draw = draw
        self.drawn: list[torch.Tensor] = []

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        self.drawn.append(self.draw(generator, len(self.drawn)).to(device))
        return self.drawn[-1]

    def outputs(self, model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        answer = model(batch)
        first: torch.Tensor = answer if isinstance(answer, torch.Tensor) else answer[0]
        return first

    def loss(self, outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return outputs.sum()

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return (outputs - teacher).square().mean()

    def measure(self, model: nn.Module) -> dict[str, float]:
        return {self.quality: 0.0}


def calibrate(
    model: nn.Module,
    targets: dict[str, Target],
    task: Task[Any],
    batches: int = 3,
    width: int = 8,
    **options: Any,
) -> dict[str, InputQuantizer]:
    """Return the quantizers of the inputs of ``targets``."""
    return calibrate_inputs(
        model,
        targets,
        task,
        batches=batches,
        size=4,
        generator=torch.Generator().manual_seed(2),
        device=torch.device("cpu"),
        width=width,
        options=InputOptions(**options),
    )
