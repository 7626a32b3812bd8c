"""How the inputs of one layer become integers: a scale, and what outlying inputs are divided by."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spec.errors import ConfigError
from sw.fake_quantize import fake_quantize_inputs, quantize_inputs
from sw.quantize import check_smoothing, integer_limit

__all__ = ["InputOptions", "InputQuantizer", "InputScales"]


class InputScales(Enum):
    """How many scales the inputs of a layer have; the value is its name on the command line."""

    TENSOR = "tensor"
    """One, set by calibration."""
    TOKEN = "token"
    """One for every token, found when it comes."""

    @property
    def per_token(self) -> bool:
        """Whether every token has its own."""
        return self is InputScales.TOKEN


@dataclass(frozen=True)
class InputOptions:
    """What calibration chooses the quantization of inputs from.

    Parameters
    ----------
    per_token : bool
        Every token has a scale of its own, its largest magnitude over the largest integer, found when it
        comes. Otherwise the tensor has one, set by calibration, which requantizing on chip needs.
    smoothing : float
        Strength of SmoothQuant's smoothing (Xiao et al. 2023, equation 4), 0 to 1: input j is divided, and
        its weights are multiplied, by max|x_j|^strength / max|w_j|^(1 - strength), rounded to a power of
        two so that both are exact. 0 leaves it out.

    Raises
    ------
    ConfigError
        If ``smoothing`` is out of range.
    """

    per_token: bool = False
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing <= 1:
            raise ConfigError(f"smoothing must be from 0 to 1, not {self.smoothing:g}")


@dataclass(frozen=True, eq=False)
class InputQuantizer:
    """Divides inputs by powers of two and a scale, and rounds.

    Parameters
    ----------
    scale : float, optional
        Of every token; without it each token has its own.
    smoothing : ndarray of int8, shape (K,), optional
        Exponents: input j is divided by ``2.0 ** smoothing[j]``, as its weights were multiplied.
    width : int
        Bits of a signed activation, 2 to 8.

    Raises
    ------
    ConfigError
        If ``scale`` is not a positive float32 number, or another argument is out of range.
    """

    scale: float | None
    smoothing: NDArray[np.int8] | None = None
    width: int = 8

    def __post_init__(self) -> None:
        integer_limit(self.width)
        if self.scale is not None:
            single = torch.finfo(torch.float32)
            if not single.tiny <= self.scale <= single.max:
                raise ConfigError(
                    f"the scale of an input must be a positive float32 number, not {self.scale}; calibrate it"
                )
        if self.smoothing is not None:
            check_smoothing(self.smoothing, self.smoothing.size, "an input")

    def smooth(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` divided by the powers of two, (..., K): exact."""
        return x if self.smoothing is None else x / self._factors(x.device)

    def integers(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the integers of ``x``, (..., K) float32, and the scale of each token, (..., 1) or scalar."""
        smooth = self.smooth(x.detach().to(torch.float32))
        step = self._step(smooth)
        return quantize_inputs(smooth, step, self.width), step

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the integers of ``x`` stand for, float32.

        Gradients pass as in ``sw.fake_quantize.fake_quantize_inputs``; only a scale of the whole tensor
        clips.
        """
        smooth = self.smooth(x)
        rounded = fake_quantize_inputs(smooth, self._step(smooth.detach().to(torch.float32)), self.width)
        return rounded if self.smoothing is None else rounded * self._factors(x.device)

    def folded(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the M x K matrix that multiplies the divided inputs: exact while numbers stay normal."""
        return weight if self.smoothing is None else weight * self._factors(weight.device)

    def unfolded(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the M x K matrix that ``weight`` was folded from: exact while numbers stay normal."""
        return weight if self.smoothing is None else weight / self._factors(weight.device)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        smoothing = None if self.smoothing is None else torch.from_numpy(self.smoothing)
        return {"scale": self.scale, "smoothing": smoothing, "width": self.width}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "InputQuantizer":
        """Return the quantizer of a ``state``."""
        smoothing = None if state["smoothing"] is None else state["smoothing"].cpu().numpy()
        return cls(state["scale"], smoothing, state["width"])

    def _step(self, smooth: torch.Tensor) -> torch.Tensor:
        if self.scale is not None:
            return torch.tensor(self.scale, dtype=torch.float32, device=smooth.device)
        # A tensor divides by a tensor: CUDA divides by a number as a multiplication by 1 / it.
        limit = torch.tensor(integer_limit(self.width), dtype=torch.float32, device=smooth.device)
        step = smooth.abs().amax(dim=-1, keepdim=True) / limit
        # A token of zeros alone, or of subnormal numbers, is 0 under any scale.
        return torch.where(step < torch.finfo(torch.float32).tiny, torch.ones_like(step), step)

    def _factors(self, device: torch.device) -> torch.Tensor:
        assert self.smoothing is not None
        return torch.from_numpy(np.ldexp(np.float32(1), self.smoothing)).to(device)
