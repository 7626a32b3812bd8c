"""Calibration: the quantizers of a model's inputs, from batches that it runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.errors import ConfigError
from spec.scale import MAX_SMOOTHING
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.pretrained import evaluating
from sw.quantize import integer_limit
from sw.targets import Target
from sw.task import Task

__all__ = ["calibrate_inputs"]

_BINS: Final = 2048
_FRACTIONS: Final = 128
"""Clips tried per scale: multiples of the largest magnitude divided by this."""
_LEAST_EXPONENT: Final = -100
"""Magnitudes below this power of two share one bin, so that no bin has a subnormal width."""


def calibrate_inputs(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    *,
    batches: int,
    size: int,
    generator: torch.Generator,
    device: torch.device,
    width: int = 8,
    options: InputOptions | None = None,
) -> dict[str, InputQuantizer]:
    """Return the quantizer of every target's input.

    ``model`` runs training batches in evaluation mode; padding that it runs is counted. Smoothing is
    measured against the weights as they are. A scale of the whole tensor clips at the multiple of a 128th
    of the largest magnitude with the least mean squared error of quantization, magnitudes being counted
    in bins and uniform inside one.

    Parameters
    ----------
    model : Module
        On ``device``; left as it was.
    targets : mapping of str to Target
        Of ``model``.
    task : Task
    batches, size : int
        Training batches, and samples in each.
    generator : torch.Generator
    device : torch.device
    width : int
        Bits of a signed activation, 2 to 8.
    options : InputOptions, optional
        One scale for the tensor and no smoothing by default.

    Returns
    -------
    dict of str to InputQuantizer
        Its scale is 1 where every input is 0.

    Raises
    ------
    ConfigError
        If ``batches`` or ``width`` is out of range, an input is not finite, or a target has none.
    """
    limit, options = integer_limit(width), options or InputOptions()
    if batches < 1:
        raise ConfigError(f"batches must be at least 1, not {batches}")
    drawn = [task.batch(size, generator, device) for _ in range(batches)]

    peaks = {name: _Peaks() for name in targets}
    smoothing: dict[str, NDArray[np.int8] | None] = dict.fromkeys(targets)
    if options.smoothing or options.per_token:
        plain = {name: InputQuantizer(1.0, None, width) for name in targets}
        _run(model, targets, task, drawn, plain, {name: one.add for name, one in peaks.items()})
    if options.smoothing:
        smoothing = {
            name: peaks[name].smoothing(its.weight(), options.smoothing) for name, its in targets.items()
        }
    if options.per_token:
        return {name: InputQuantizer(None, smoothing[name], width) for name in targets}
    divided = {name: InputQuantizer(1.0, smoothing[name], width) for name in targets}
    histograms = {name: _Histogram() for name in targets}
    _run(model, targets, task, drawn, divided, {name: one.add for name, one in histograms.items()})
    return {name: InputQuantizer(histograms[name].scale(limit), smoothing[name], width) for name in targets}


def _run(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    drawn: Sequence[Any],
    divided: Mapping[str, InputQuantizer],
    listeners: Mapping[str, Callable[[torch.Tensor], None]],
) -> None:
    """Let listeners hear the magnitudes of every target's divided inputs, N x K, checked to be finite."""
    called = set()

    def hook(name: str) -> Any:
        def hear(_: nn.Module, inputs: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
            called.add(name)
            x = (*inputs, *named.values())[0].detach().to(torch.float32)
            magnitudes = divided[name].smooth(x.reshape(-1, x.shape[-1])).abs()
            if not bool(magnitudes.isfinite().all()):
                raise ConfigError(
                    f"inputs of {name} must be finite, but some are NaN or infinite; train the model again"
                )
            listeners[name](magnitudes)

        return hear

    hooks = [
        target.modules[0].register_forward_pre_hook(hook(name), with_kwargs=True)
        for name, target in targets.items()
    ]
    try:
        with evaluating(model):
            for batch in drawn:
                task.outputs(model, batch)
    finally:
        for one in hooks:
            one.remove()
    for name in targets:
        if name not in called:
            raise ConfigError(
                f"target {name} must run to be calibrated, but the model never called it in these "
                f"batches; leave it out of the targets"
            )


class _Peaks:
    """The largest magnitude of every input of one target."""

    def __init__(self) -> None:
        self.largest: torch.Tensor | None = None

    def add(self, magnitudes: torch.Tensor) -> None:
        """Note the inputs of one call."""
        if not len(magnitudes):
            return
        found = magnitudes.amax(dim=0)
        self.largest = found if self.largest is None else torch.maximum(self.largest, found)

    def smoothing(self, weight: torch.Tensor, strength: float) -> NDArray[np.int8]:
        """Return the exponents of powers of two nearest to SmoothQuant's divisors of these inputs.

        They are divided by their median, as only ratios count. An input whose weights are all pruned is
        divided until it decides no scale; one that calibration never saw is left as it is.
        """
        weights = weight.abs().amax(dim=0).to(torch.float64).numpy()
        largest = torch.zeros(len(weights)) if self.largest is None else self.largest
        inputs = largest.to("cpu", torch.float64).numpy()
        seen, used = inputs > 0, weights > 0
        exponents = np.zeros(len(inputs))
        both = seen & used
        if both.any():
            ideal = strength * np.log2(inputs[both]) - (1 - strength) * np.log2(weights[both])
            exponents[both] = ideal - np.median(ideal)
            divided = np.median(np.log2(inputs[both]) - exponents[both])
            exponents[seen & ~used] = np.log2(inputs[seen & ~used]) - divided
        return np.clip(np.rint(exponents), -MAX_SMOOTHING, MAX_SMOOTHING).astype(np.int8)


class _Histogram:
    """Magnitudes of the inputs of one target, in equal bins from 0 to a power of two above them all."""

    def __init__(self) -> None:
        self.counts = torch.zeros(_BINS, dtype=torch.int64)
        self.exponent = _LEAST_EXPONENT
        self.largest = 0.0

    def add(self, magnitudes: torch.Tensor) -> None:
        """Count the inputs of one call; zeros are exact under every scale."""
        magnitudes = magnitudes[magnitudes > 0]
        if not len(magnitudes):
            return
        self.largest = max(self.largest, float(magnitudes.max()))
        exponent = math.frexp(self.largest)[1]
        while self.exponent < exponent:
            pairs = self.counts.reshape(-1, 2).sum(dim=1)
            self.counts = torch.cat((pairs, torch.zeros_like(pairs)))
            self.exponent += 1
        places = (magnitudes * (_BINS * 2.0**-self.exponent)).to(torch.int64)
        self.counts += torch.bincount(places, minlength=_BINS).cpu()

    def scale(self, limit: int) -> float:
        """Scale of least squared error for integers up to ``limit``."""
        if not self.largest:
            return 1.0
        scales = self.largest / limit / _FRACTIONS * torch.arange(1, _FRACTIONS + 1, dtype=torch.float64)
        width = 2.0**self.exponent / _BINS
        edges = width * torch.arange(_BINS + 1, dtype=torch.float64) / scales[:, None]
        nearest = edges.round().clamp_(max=limit)
        # Integral of (t - nearest integer)^2 from 0 to the edge: a whole step is 1/12.
        integral = nearest / 12 + (edges - nearest) ** 3 / 3
        errors = (integral.diff(dim=1) * self.counts).sum(dim=1) * scales**3
        best = np.float32(scales[errors.argmin()])
        return float(max(best, np.finfo(np.float32).tiny))
