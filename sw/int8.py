"""The integer model: static activation scales, and modules that multiply as the accelerator does."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from sw.fake_quantize import quantize_inputs
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.pretrained import evaluating
from sw.quantize import integer_limit
from sw.reference import execute
from sw.targets import Target
from sw.task import Task
from sw.unpack import PackedLayer

__all__ = ["Int8Linear", "PackedProduct", "Product", "calibrate_scales", "int8_model", "integer_linears"]

Product = Callable[[torch.Tensor], torch.Tensor]
"""Integer activations, K x N int8, to their exact product with a matrix, M x N of any integer type."""

_BINS: Final = 2048
_FRACTIONS: Final = 128
"""Clips tried per scale: multiples of the largest magnitude divided by this."""
_LEAST_EXPONENT: Final = -100
"""Magnitudes below this power of two share one bin, so that no bin has a subnormal width."""


def calibrate_scales(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    *,
    batches: int,
    size: int,
    generator: torch.Generator,
    device: torch.device,
    width: int = 8,
) -> dict[str, float]:
    """Return one static scale for the input of every target.

    Magnitudes are counted in bins while ``model`` runs training batches in evaluation mode. The clip is
    the multiple of a 128th of the largest magnitude with the least mean squared error of quantization,
    magnitudes being uniform inside a bin. Padding that the model runs is counted.

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

    Returns
    -------
    dict of str to float
        Float32 numbers; 1 where every input is 0.

    Raises
    ------
    ConfigError
        If ``batches`` or ``width`` is out of range, an input is not finite, or a target has none.
    """
    limit = integer_limit(width)
    if batches < 1:
        raise ConfigError(f"batches must be at least 1, not {batches}")
    histograms = {name: _Histogram(name) for name in targets}
    hooks = [
        target.modules[0].register_forward_pre_hook(histograms[name].hook, with_kwargs=True)
        for name, target in targets.items()
    ]
    try:
        with evaluating(model):
            for _ in range(batches):
                task.outputs(model, task.batch(size, generator, device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: histogram.scale(limit) for name, histogram in histograms.items()}


class _Histogram:
    """Magnitudes of the inputs of one target, in equal bins from 0 to a power of two above them all."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = torch.zeros(_BINS, dtype=torch.int64)
        self.exponent = _LEAST_EXPONENT
        self.largest = 0.0
        self.called = False

    def hook(self, _: nn.Module, inputs: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        """Count the input of one call; zeros are exact under every scale."""
        self.called = True
        magnitudes = (*inputs, *named.values())[0].detach().to(torch.float32).abs()
        if not bool(magnitudes.isfinite().all()):
            raise ConfigError(
                f"inputs of {self.name} must be finite, but some are NaN or infinite; train the model again"
            )
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
        if not self.called:
            raise ConfigError(
                f"target {self.name} must run to be calibrated, but the model never called it in these "
                f"batches; leave it out of the targets"
            )
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


class Int8Linear(nn.Module):
    """A linear layer in integers, for evaluation: no gradient passes.

    ``y = psums * (weight_scales * input_scale) + bias`` in float32, where ``psums`` are the exact
    products of ``weight`` and ``sw.fake_quantize.quantize_inputs(x, input_scale, width)``.

    Parameters
    ----------
    weight : Tensor of int8, shape (M, K)
    weight_scales : Tensor of float32, shape (M,)
    input_scale : float
    bias : Tensor, shape (M,), optional
    width : int
        Bits of a signed activation, 2 to 8.
    product : Product, optional
        What multiplies by ``weight``; PyTorch by default.

    Raises
    ------
    ConfigError
        If ``input_scale`` is not a positive float32 number or ``width`` is out of range.
    """

    weight: torch.Tensor
    weight_scales: torch.Tensor
    input_scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(
        self,
        weight: torch.Tensor,
        weight_scales: torch.Tensor,
        input_scale: float,
        bias: torch.Tensor | None = None,
        *,
        width: int = 8,
        product: Product | None = None,
    ) -> None:
        super().__init__()
        integer_limit(width)
        _check_scale(input_scale, "input_scale")
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scales", weight_scales)
        self.register_buffer("input_scale", torch.tensor(input_scale, dtype=torch.float32))
        self.register_buffer("bias", bias)
        self.width = width
        self.product = product
        # Every partial sum, in any order, is an integer of at most this magnitude.
        magnitude = int(weight.to(torch.int64).abs().sum(dim=1).max()) << (width - 1)
        self._exact = torch.float32 if magnitude < 1 << 24 else torch.float64

    def multiply(self, activations: torch.Tensor) -> torch.Tensor:
        """Return the product with ``weight`` in int64, M x N; the float type used holds it exactly."""
        with torch.autocast(activations.device.type, enabled=False):  # would round psums to 16 bits
            psums = self.weight.to(self._exact) @ activations.to(self._exact)
        return psums.to(torch.int64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for inputs of shape (..., K): shape (..., M), the type of ``x``."""
        integers = quantize_inputs(x.reshape(-1, x.shape[-1]), self.input_scale, self.width).to(torch.int8)
        product = self.product or self.multiply
        psums = product(integers.T).T.to(torch.float32).contiguous()
        outputs = psums * (self.weight_scales * self.input_scale)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*x.shape[:-1], outputs.shape[-1]).to(x.dtype)


class PackedProduct:
    """The product of a packed layer, from the words that an accelerator is sent and gives back.

    Parameters
    ----------
    layer : PackedLayer
    arch : ArchConfig
    accelerator : callable
        Stream to answer, such as ``sw.reference.execute``.
    """

    def __init__(
        self,
        layer: PackedLayer,
        arch: ArchConfig,
        accelerator: Callable[[bytes, ArchConfig], bytes] = execute,
    ) -> None:
        self.layer = layer
        self.arch = arch
        self.accelerator = accelerator

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        """Return the product in int64, M x N, with integers of shape K x N.

        Raises
        ------
        ConfigError
            If the activations do not fit the layer or the architecture.
        FormatError
            If the answer is damaged or reports an error.
        """
        stream = job_stream(self.layer, activations.cpu().numpy(), self.arch)
        answer = self.accelerator(stream, self.arch)
        result = read_outputs(answer, self.layer, activations.shape[1], self.arch)
        if result.errors:
            raise FormatError(f"layer {self.layer.name}: {result.errors[0]}")
        return torch.from_numpy(result.outputs.astype(np.int64)).to(activations.device)


class _LastProduct:
    """A product that is kept until other activations come: those of queries, keys and values are the same."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        if self._last is None or not torch.equal(self._last[0], activations):
            self._last = (activations.clone(), self.product(activations))
        return self._last[1]


@dataclass(frozen=True)
class _Rows:
    """Rows ``start`` to ``stop`` - 1 of a product: one module of a stacked target."""

    product: Product
    start: int
    stop: int

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        return self.product(activations)[self.start : self.stop]


def int8_model(
    model: nn.Module,
    layers: Mapping[str, QuantizedLayer | PackedLayer],
    scales: Mapping[str, float],
    targets: Mapping[str, Target],
    *,
    width: int = 8,
    products: Mapping[str, Product] | None = None,
) -> nn.Module:
    """Return a copy of ``model`` whose targets multiply in integers; everything else stays float.

    Parameters
    ----------
    model : Module
    layers : mapping of str to QuantizedLayer or PackedLayer
        The integer matrix of every target, before packing or out of a packed file.
    scales : mapping of str to float
        The scale of every target's input, as ``calibrate_scales`` returns it.
    targets : mapping of str to Target
        Of ``model``.
    width : int
        Bits of a signed activation, 2 to 8.
    products : mapping of str to Product, optional
        What multiplies by the whole matrix of a target, such as ``PackedProduct``; PyTorch for the
        targets that it lacks.

    Raises
    ------
    ConfigError
        If ``layers`` or ``scales`` are not those of the targets, or a target is not one of ``model``.
    """
    products = products or {}
    _check_names("layers", set(layers), set(targets))
    _check_names("scales", set(scales), set(targets))
    _check_names("products", set(products) | set(targets), set(targets))
    inside = {id(module) for module in model.modules()}
    replaced: dict[int, Any] = {}
    for name, target in targets.items():
        if any(id(module) not in inside for module in target.modules):
            raise ConfigError(f"target {name} must be one of the model; find the targets of this model")
        linears = integer_linears(target, layers[name], scales[name], width, products.get(name))
        replaced.update({id(module): linear for module, linear in zip(target.modules, linears, strict=True)})
    # deepcopy takes what its memo holds for a module instead of copying it, wherever the module occurs.
    return copy.deepcopy(model, replaced)


def integer_linears(
    target: Target,
    layer: QuantizedLayer | PackedLayer,
    scale: float,
    width: int = 8,
    product: Product | None = None,
) -> list[Int8Linear]:
    """Return what multiplies in place of each module of ``target``.

    ``product``, of the whole matrix, is asked once for activations that several modules share.

    Raises
    ------
    ConfigError
        If the layer is not the target's, or ``scale`` is no positive float32 number.
    """
    name = target.name
    _check_scale(scale, f"scale of {name}")
    if (layer.rows, layer.cols) != (target.rows, target.cols):
        raise ConfigError(
            f"layer {name} must be {target.rows} x {target.cols}, not {layer.rows} x {layer.cols}; "
            f"give the one of this model"
        )
    if product is not None and len(target.modules) > 1:
        product = _LastProduct(product)
    linears: list[Int8Linear] = []
    start = 0
    for module, part in zip(target.modules, target.split(torch.from_numpy(layer.weights)), strict=True):
        weight = (part.T if target.transposed else part).clone(memory_format=torch.contiguous_format)
        stop = start + len(weight)
        bias = getattr(module, "bias", None)
        linear = Int8Linear(
            weight,
            torch.tensor(layer.scales[start:stop]),
            scale,
            None if bias is None else bias.detach().clone(),
            width=width,
            product=None if product is None else _Rows(product, start, stop),
        )
        linears.append(linear.to(next(module.parameters()).device).train(module.training))
        start = stop
    return linears


def _check_scale(scale: float, what: str) -> None:
    if not torch.finfo(torch.float32).tiny <= scale <= torch.finfo(torch.float32).max:
        raise ConfigError(f"{what} must be a positive float32 number, not {scale}; calibrate it")


def _check_names(what: str, given: set[str], targets: set[str]) -> None:
    """Refuse names that differ from the targets'."""
    for name in sorted(targets - given):
        raise ConfigError(f"{what} must cover every target, but {name} is missing; add it or drop the target")
    for name in sorted(given - targets):
        raise ConfigError(f"{what} must be those of the targets, but {name} is none; drop it")
