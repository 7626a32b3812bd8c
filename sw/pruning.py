"""What a model was pruned to: what another training must agree with to go on with its masks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sw.input_quantizer import InputOptions
from sw.pattern import Pattern

__all__ = ["Pruning"]


@dataclass(frozen=True)
class Pruning:
    """Pattern, count and quantizers that were asked for, and the dense model.

    Parameters
    ----------
    pattern : Pattern
        Of the masks.
    kept : int
        Weights that were to be kept; patterns round.
    options : InputOptions
        What the quantizers of the inputs were chosen from.
    origin : int
        ``sw.rest.rest_fingerprint`` of the whole dense model.

    Raises
    ------
    ValueError
        If a count is none.
    """

    pattern: Pattern
    kept: int
    options: InputOptions
    origin: int

    def __post_init__(self) -> None:
        if type(self.kept) is not int or self.kept < 0:
            raise ValueError(f"`kept` must be a count of weights, not {self.kept!r}")
        if type(self.origin) is not int or not 0 <= self.origin < 1 << 32:
            raise ValueError(f"`origin` must have 32 bits, not {self.origin!r}")

    def state(self) -> dict[str, Any]:
        """Return what a file keeps of it: plain values."""
        return {
            "pattern": self.pattern.state(),
            "kept": self.kept,
            "options": asdict(self.options),
            "origin": self.origin,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Return what :meth:`state` gave; any exception if that is something else."""
        options = InputOptions(**state["options"])
        if type(options.per_token) is not bool or type(options.smoothing) not in (int, float):
            raise ValueError(f"`options` must be a choice and a strength, not {options!r}")
        return cls(Pattern.restored(state["pattern"]), state["kept"], options, state["origin"])
