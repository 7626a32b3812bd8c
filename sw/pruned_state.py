"""A pruned model in a file: what another training, or another judging, needs to go on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from sw.input_quantizer import InputOptions, InputQuantizer
from sw.mask_search import Placement
from sw.pattern import Pattern
from sw.units import MatrixShape

__all__ = ["PrunedState"]

_FORMAT: Final = "mixvec pruned model 2"
_OLDER: Final = ("mixvec pruned model 1",)


@dataclass(frozen=True, eq=False)
class PrunedState:
    """Parameters, masks, placements and quantizers of a model that was pruned.

    Parameters
    ----------
    parameters : mapping of str to Tensor
        The module's ``state_dict``; 0 where pruned.
    masks : mapping of str to array of bool, shape (M, K)
    placements : mapping of str to Placement
    inputs : mapping of str to InputQuantizer
        How the input of every matrix was quantized when the model was last looked at as integers.
    options : InputOptions
        What these were chosen from.
    pattern : Pattern
        Of the masks.
    kept : int
        Weights that it was asked to keep; patterns round.
    provenance : mapping of str to str, int, float, bool or None
        How it was pruned.
    origin : int
        ``sw.rest.rest_fingerprint`` of the whole dense model.
    """

    parameters: Mapping[str, torch.Tensor]
    masks: Mapping[str, NDArray[np.bool_]]
    placements: Mapping[str, Placement]
    inputs: Mapping[str, InputQuantizer]
    options: InputOptions
    pattern: Pattern
    kept: int
    provenance: Mapping[str, Any]
    origin: int

    def save(self, path: Path) -> None:
        """Write the file."""
        matrices = {
            name: {
                "mask": torch.from_numpy(mask),
                "direction": self.placements[name].direction.value,
                "order": torch.from_numpy(self.placements[name].order),
                "inputs": self.inputs[name].state(),
            }
            for name, mask in self.masks.items()
        }
        parameters = {name: tensor.detach().cpu() for name, tensor in self.parameters.items()}
        facts = {
            "format": _FORMAT,
            "options": asdict(self.options),
            "pattern": self.pattern.state(),
            "kept": self.kept,
            "provenance": dict(self.provenance),
            "origin": self.origin,
        }
        torch.save({**facts, "parameters": parameters, "matrices": matrices}, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of :meth:`save`.

        Raises
        ------
        FormatError
            If it is missing, damaged, or something else.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            known = state["format"]
            if known == _FORMAT:
                return cls._read(state)
        # Damage shows as whatever the reader meets first.
        except Exception:
            raise FormatError(f"{path} is not a readable pruned model; give one that was kept") from None
        if known in _OLDER:
            raise FormatError(f"{path} was kept by an older mixvec; keep the model again")
        raise FormatError(f"{path} is not a readable pruned model; give one that was kept")

    @classmethod
    def _read(cls, state: Mapping[str, Any]) -> Self:
        matrices = state["matrices"].items()
        masks = {name: its["mask"].numpy() for name, its in matrices}
        placements = {
            name: Placement(Direction(its["direction"]), its["order"].numpy()) for name, its in matrices
        }
        inputs = {name: InputQuantizer.restored(its["inputs"]) for name, its in matrices}
        facts, kept, origin = dict(state["provenance"]), state["kept"], state["origin"]
        for name, mask in masks.items():
            its = inputs[name].smoothing
            sized = its is None or its.shape == mask.shape[1:]
            if mask.dtype != np.bool_ or mask.ndim != 2 or not sized:
                raise ValueError(name)
        if not all(isinstance(one, str | int | float | None) for one in facts.values()):
            raise ValueError("provenance")
        if type(kept) is not int or type(origin) is not int:
            raise ValueError("counts")
        options, pattern = InputOptions(**state["options"]), Pattern.restored(state["pattern"])
        return cls(state["parameters"], masks, placements, inputs, options, pattern, kept, facts, origin)

    def check(self, shapes: Sequence[MatrixShape], kept: int, pattern: Pattern, origin: int) -> None:
        """Refuse what another model, count or pattern left; ``origin`` as of this class.

        Raises
        ------
        ConfigError
            Says what differs.
        """
        own = {name: mask.shape for name, mask in self.masks.items()}
        if own != {its.name: (its.rows, its.cols) for its in shapes}:
            raise ConfigError("the pruned model has other matrices than this one; start from one of its own")
        if self.pattern != pattern:
            raise ConfigError(
                f"the pruned model is {self.pattern.label}, for its own architecture; ask for that method "
                f"and `--arch`"
            )
        if self.kept != kept:
            raise ConfigError(
                f"the pruned model keeps {self.kept} weights, not {kept}; ask for the sparsity that it has"
            )
        if self.origin != origin:
            raise ConfigError(
                "the pruned model was made of a dense model with other weights than this one; give that one"
            )

    def restore(self, model: nn.Module) -> None:
        """Give ``model`` these parameters.

        Raises
        ------
        ConfigError
            If it has others.
        """
        try:
            model.load_state_dict(dict(self.parameters))
        except RuntimeError:
            raise ConfigError(
                "the pruned model has other parameters than this one; start from one of its own"
            ) from None
