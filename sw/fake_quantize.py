"""Floats that integers can hold: quantization as training sees it, with straight-through gradients."""

from functools import cache

import torch

from spec.errors import ConfigError
from spec.scale import MAX_BASE, MAX_CODE, MIN_BASE, scale_value
from sw.quantize import integer_limit

__all__ = ["fake_quantize_inputs", "fake_quantize_rows", "quantize_inputs"]


def fake_quantize_rows(weight: torch.Tensor, width: int) -> torch.Tensor:
    """Return ``integers * scales[:, None]`` of ``sw.quantize.quantize_rows``, bit for bit.

    The gradient passes unchanged: no weight clips. One read of the device per call, for the check.

    Parameters
    ----------
    weight : Tensor, shape (M, K)
        A whole target: its rows share the base of their scales, and float16 rows are widened first.
    width : int
        Bits of a signed weight, 2 to 8.

    Returns
    -------
    Tensor of float32, shape (M, K)

    Raises
    ------
    ConfigError
        If a weight is not finite or too large for a scale.
    """
    limit = integer_limit(width)
    fixed, table = weight.detach(), _scales(weight.device)
    largest = fixed.abs().amax(dim=1).to(torch.float64)
    step = torch.searchsorted(table, largest / limit)
    base = step.max()
    if int(base) == len(table):  # where infinity and NaN sort, too
        raise ConfigError(
            f"weights must be finite and have float32 scales, but the largest is {largest.max():g}; "
            f"lower the learning rate or rescale"
        )
    scales = table[torch.maximum(step, base - MAX_CODE)][:, None]
    # In float64, as a float32 quotient can round to a tie that the exact one only approaches.
    integers = (fixed / scales).round_().to(torch.float32)
    return integers.mul_(scales.to(torch.float32)).add_(_zeros_with_gradient(weight))


def fake_quantize_inputs(x: torch.Tensor, scale: torch.Tensor | float, width: int) -> torch.Tensor:
    """Return ``quantize_inputs(x, scale, width) * scale``.

    The gradient passes where the integer was in range and is 0 where it was clipped; ``scale`` has none.

    Parameters
    ----------
    x : Tensor
    scale : Tensor or float
        Positive; broadcast against ``x``.
    width : int
        Bits of a signed activation, 2 to 8.

    Returns
    -------
    Tensor of float32, shape of ``x``

    Raises
    ------
    ConfigError
        If ``width`` is out of range.
    """
    limit = integer_limit(width)
    step = _step(scale, x.device)
    nearest = _nearest(x, step)
    integers = nearest.clamp(-limit, limit)
    return integers * step + torch.where(integers == nearest, _zeros_with_gradient(x), 0.0)


def quantize_inputs(x: torch.Tensor, scale: torch.Tensor | float, width: int) -> torch.Tensor:
    """Return ``x / scale`` rounded half to even and clipped to +-(2^(width-1) - 1), without gradient.

    The same on every device: one float32 division.

    Returns
    -------
    Tensor of float32, shape of ``x``
        Integers.

    Raises
    ------
    ConfigError
        If ``width`` is out of range.
    """
    limit = integer_limit(width)
    return _nearest(x, _step(scale, x.device)).clamp_(-limit, limit)


@cache
def _scales(device: torch.device) -> torch.Tensor:
    """Every scale from ``MIN_BASE`` to ``MAX_BASE``, ascending, as float64."""
    scales = [scale_value(step) for step in range(MIN_BASE, MAX_BASE + 1)]
    return torch.tensor(scales, dtype=torch.float64, device=device)


def _step(scale: torch.Tensor | float, device: torch.device) -> torch.Tensor:
    """The scale as a tensor on ``device``: CUDA divides by a number as a multiplication by 1 / it."""
    return torch.as_tensor(scale, dtype=torch.float32, device=device).detach()


def _nearest(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return (x.detach().to(torch.float32) / step).round_()


def _zeros_with_gradient(x: torch.Tensor) -> torch.Tensor:
    """Zeros that pass their gradient on to ``x``; added, they leave every number as it is."""
    return (x - x.detach()).to(torch.float32)
