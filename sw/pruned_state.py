"""A pruned model in a file: what another training, or another judging, needs to go on from it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from sw.input_quantizer import InputQuantizer
from sw.mask_search import Placement
from sw.packed_model import PackedModel
from sw.pattern import Pattern
from sw.pruning import Pruning
from sw.targets import find_targets
from sw.units import MatrixShape
from sw.unpack import PackedLayer

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
    pruning : Pruning
        What was asked for.
    provenance : mapping of str to str, int, float, bool or None
        How it was pruned.
    """

    parameters: Mapping[str, torch.Tensor]
    masks: Mapping[str, NDArray[np.bool_]]
    placements: Mapping[str, Placement]
    inputs: Mapping[str, InputQuantizer]
    pruning: Pruning
    provenance: Mapping[str, Any]

    @classmethod
    def unpacked(cls, packed: PackedModel, model: nn.Module) -> Self:
        """Return what ``packed`` makes of the dense ``model``, its weights rounded to their integers.

        Quantized and packed again by the same quantizers these are the same integers.

        Raises
        ------
        ConfigError
            If the file does not say how it was pruned, or is not of this model, or not of all its matrices.
        """
        if packed.pruning is None:
            raise ConfigError("the packed model does not say how it was pruned; start from one that was kept")
        missing = find_targets(model).keys() - packed.targets(model).keys()
        if missing:
            raise ConfigError(
                f"the packed model has no matrix {min(missing)}, which its architecture could not hold; "
                f"start from one that was kept"
            )
        wearer = copy.deepcopy(model)
        with packed.worn_by(wearer):
            for name, target in find_targets(wearer).items():
                target.assign(torch.from_numpy(_weights(packed.layers[name])))
            parameters = {name: its.clone() for name, its in wearer.state_dict().items()}
        layers, width = packed.layers.items(), packed.arch.activation_width
        # A file's words cannot be written to, and torch warns of such arrays.
        smoothing = {name: None if its.smoothing is None else its.smoothing.copy() for name, its in layers}
        return cls(
            parameters,
            {name: its.mask for name, its in layers},
            {name: Placement(its.direction, its.order) for name, its in layers},
            {name: InputQuantizer(packed.scales[name], smoothing[name], width) for name, _ in layers},
            packed.pruning,
            packed.provenance,
        )

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
        facts = {"format": _FORMAT, **self.pruning.state(), "provenance": dict(self.provenance)}
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
        facts = dict(state["provenance"])
        for name, mask in masks.items():
            its = inputs[name].smoothing
            sized = its is None or its.shape == mask.shape[1:]
            if mask.dtype != np.bool_ or mask.ndim != 2 or not sized:
                raise ValueError(name)
        if not all(isinstance(one, str | int | float | None) for one in facts.values()):
            raise ValueError("provenance")
        return cls(state["parameters"], masks, placements, inputs, Pruning.restored(state), facts)

    def check(self, shapes: Sequence[MatrixShape], origin: int) -> None:
        """Refuse what another dense model left; ``origin`` as of :class:`~sw.pruning.Pruning`.

        Raises
        ------
        ConfigError
            Says what differs.
        """
        own = {name: mask.shape for name, mask in self.masks.items()}
        if own != {its.name: (its.rows, its.cols) for its in shapes}:
            raise ConfigError("the pruned model has other matrices than this one; start from one of its own")
        if self.pruning.origin != origin:
            raise ConfigError(
                "the pruned model was made of a dense model with other weights than this one; give that one"
            )

    def fits(self, kept: int, pattern: Pattern) -> bool:
        """Whether its masks are good for ``pattern`` at ``kept`` weights, to go on with."""
        return self.pruning.kept == kept and self.pruning.pattern.shares_masks(pattern)

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


def _weights(layer: PackedLayer) -> NDArray[np.float32]:
    """Return what the integers stand for, M x K, no magnitude rounded up: the same scale holds them again."""
    exact = layer.weights * layer.scales[:, None].astype(np.float64)
    single = exact.astype(np.float32)
    beyond = np.abs(single.astype(np.float64)) > np.abs(exact)
    single = np.where(beyond, np.nextafter(single, np.float32(0)), single)
    # By a power of two: exact.
    return single if layer.smoothing is None else np.ldexp(single, -layer.smoothing.astype(np.int32))
