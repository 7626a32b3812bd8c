"""The integer model: modules that multiply as the accelerator does."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from sw.input_quantizer import InputQuantizer
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.reference import execute
from sw.targets import Target
from sw.unpack import PackedLayer

__all__ = ["Int8Linear", "PackedProduct", "Product", "int8_model", "integer_linears"]

Product = Callable[[torch.Tensor], torch.Tensor]
"""Integer activations, K x N int8, to their exact product with a matrix, M x N of any integer type."""


class Int8Linear(nn.Module):
    """A linear layer in integers, for evaluation: no gradient passes, and ``state_dict`` lacks ``inputs``.

    ``y = psums * (weight_scales * input_scale) + bias`` in float32, where ``psums`` are the exact
    products of ``weight`` and the integers of ``inputs``, and ``input_scale`` is that of the token.

    Parameters
    ----------
    weight : Tensor of int8, shape (M, K)
    weight_scales : Tensor of float32, shape (M,)
    inputs : InputQuantizer
        With the smoothing that was folded into ``weight``.
    bias : Tensor, shape (M,), optional
    product : Product, optional
        What multiplies by ``weight``; PyTorch by default.
    """

    weight: torch.Tensor
    weight_scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(
        self,
        weight: torch.Tensor,
        weight_scales: torch.Tensor,
        inputs: InputQuantizer,
        bias: torch.Tensor | None = None,
        *,
        product: Product | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scales", weight_scales)
        self.register_buffer("bias", bias)
        self.inputs = inputs
        self.product = product
        # Every partial sum, in any order, is an integer of at most this magnitude.
        magnitude = int(weight.to(torch.int64).abs().sum(dim=1).max()) << (inputs.width - 1)
        self._exact = torch.float32 if magnitude < 1 << 24 else torch.float64

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for inputs of shape (..., K): shape (..., M), the type of ``x``."""
        integers, scale = self.inputs.integers(x.reshape(-1, x.shape[-1]))
        psums = self._psums(integers) if self.product is None else self._elsewhere(integers, self.product)
        outputs = psums.to(torch.float32).contiguous() * (self.weight_scales * scale)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*x.shape[:-1], outputs.shape[-1]).to(x.dtype)

    @staticmethod
    def _elsewhere(integers: torch.Tensor, product: Product) -> torch.Tensor:
        """The product as N x M, asked for as a ``Product`` is."""
        return product(integers.to(torch.int8).T).T

    def _psums(self, integers: torch.Tensor) -> torch.Tensor:
        """The exact product for N x K integers of any type, N x M."""
        with torch.autocast(integers.device.type, enabled=False):  # would round psums to 16 bits
            return integers.to(self._exact) @ self.weight.to(self._exact).T


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
    scales: Mapping[str, float | None],
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
    scales : mapping of str to float or None
        The scale of every target's input; None where every token has its own.
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
    scale: float | None,
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
    try:
        inputs = InputQuantizer(scale, layer.smoothing, width)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
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
            inputs,
            None if bias is None else bias.detach().clone(),
            product=None if product is None else _Rows(product, start, stop),
        )
        linears.append(linear.to(next(module.parameters()).device).train(module.training))
        start = stop
    return linears


def _check_names(what: str, given: set[str], targets: set[str]) -> None:
    """Refuse names that differ from the targets'."""
    for name in sorted(targets - given):
        raise ConfigError(f"{what} must cover every target, but {name} is missing; add it or drop the target")
    for name in sorted(given - targets):
        raise ConfigError(f"{what} must be those of the targets, but {name} is none; drop it")
