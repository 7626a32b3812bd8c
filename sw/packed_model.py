"""A whole model for the accelerator: its packed layers, the scales of their inputs, where it comes from."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from spec.packet import Stored
from sw.container import check_version
from sw.int8 import int8_model
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.pruning import Pruning
from sw.rest import decode_rest, encode_rest, rest_fingerprint, wearing
from sw.targets import Target, check_detached, find_targets
from sw.unpack import PackedLayer, unpack

__all__ = ["PackedModel"]

_VERSION: Final = 3
_SCALARS: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, eq=False)
class PackedModel:
    """Layers of one model, packed for one architecture.

    As bytes it is a packed file (.mxv) whose header describes the model as well.

    Parameters
    ----------
    arch : ArchConfig
    layers : dict of str to PackedLayer
        By the names of ``sw.targets.find_targets``.
    scales : dict of str to float or None
        Of the input of every layer: float32 numbers; None where every token has its own.
    rest : int
        ``sw.rest.rest_fingerprint`` of the model that the layers belong to.
    trained : dict of str to ndarray of float32
        Parameters around the layers that were trained with them: numbers for that model to wear.
    left_out : dict of str to str
        Matrices that stay in PyTorch, and why.
    provenance : dict of str to str, int, float, bool or None
        How the model was pruned, from what.
    pruning : Pruning, optional
        What it was pruned to, to go on from; older files do not say.
    data : bytes or mmap
        The packed file.
    """

    arch: ArchConfig
    layers: dict[str, PackedLayer]
    scales: dict[str, float | None]
    rest: int
    trained: dict[str, NDArray[np.float32]]
    left_out: dict[str, str]
    provenance: dict[str, Any]
    pruning: Pruning | None
    data: Stored = field(repr=False)

    @classmethod
    def of(
        cls,
        layers: Sequence[QuantizedLayer],
        arch: ArchConfig,
        scales: Mapping[str, float | None],
        *,
        rest: int,
        trained: Mapping[str, NDArray[np.float32]] | None = None,
        left_out: Mapping[str, str] | None = None,
        provenance: Mapping[str, Any] | None = None,
        pruning: Pruning | None = None,
    ) -> Self:
        """Return ``layers`` packed for ``arch``; the same input gives the same bytes.

        Raises
        ------
        ConfigError
            As ``sw.pack.pack``, or if a layer has no scale.
        """
        missing = [layer.name for layer in layers if layer.name not in scales]
        if missing:
            raise ConfigError(f"layer {missing[0]} needs a scale for its input; calibrate it")
        shapes, parameters = encode_rest(trained or {})
        about = {
            "version": _VERSION,
            "scales": {layer.name: _single(scales[layer.name]) for layer in layers},
            "rest": rest,
            "trained": shapes,
            "left_out": dict(left_out or {}),
            "provenance": dict(provenance or {}),
            "pruning": None if pruning is None else pruning.state(),
        }
        return cls.parse(pack(layers, arch, about, parameters))

    @classmethod
    def parse(cls, data: Stored) -> Self:
        """Return the model in a packed file.

        Raises
        ------
        FormatError
            If the file is damaged, holds layers alone, or is of a newer version.
        """
        file = unpack(data)
        about = file.model
        if about is None:
            raise FormatError("the file holds layers but no model around them; make it with `mixvec embed`")
        check_version(about.get("version"), _VERSION, "the file describes its model in")
        layers = {layer.name: layer for layer in file.layers}
        scales, rest = about.get("scales"), about.get("rest")
        if not isinstance(scales, dict) or scales.keys() != layers.keys():
            raise FormatError("the file's header must give the scale of every layer's input; pack it again")
        for name, scale in scales.items():
            if scale is None:
                continue
            if not isinstance(scale, float) or not 0 < scale <= float(np.finfo(np.float32).max):
                raise FormatError(
                    f"the input scale of {name} must be a positive float32 number or null, not {scale!r}"
                )
        if type(rest) is not int or not 0 <= rest < 1 << 32:
            raise FormatError(f"the fingerprint of the model must have 32 bits, not {rest!r}")
        trained = decode_rest(about.get("trained"), file.parameters, file.arch.stream_width // 8)
        left_out, provenance = about.get("left_out"), about.get("provenance")
        for what, found in (("left_out", left_out), ("provenance", provenance)):
            if not isinstance(found, dict) or not all(isinstance(one, _SCALARS) for one in found.values()):
                raise FormatError(f"`{what}` in the file's header must be an object of plain values")
        assert isinstance(left_out, dict) and isinstance(provenance, dict)
        reasons = {name: str(reason) for name, reason in left_out.items()}
        pruning = _pruning(about.get("pruning"))
        return cls(file.arch, layers, scales, rest, trained, reasons, provenance, pruning, data)

    def __getstate__(self) -> dict[str, Any]:
        # A mapping does not travel, its bytes do.
        return {**vars(self), "data": self.data[:]}

    @cached_property
    def kept(self) -> int:
        """Weights stored."""
        return sum(layer.kept for layer in self.layers.values())

    def targets(self, model: nn.Module) -> dict[str, Target]:
        """Return the targets of ``model`` that the layers stand for.

        Raises
        ------
        ConfigError
            If ``model`` is attached, or is not the one that was packed: it lacks a layer, has another shape
            there, or has other weights around the layers.
        """
        found = find_targets(model)
        check_detached(found.values())
        for name, layer in self.layers.items():
            if name not in found:
                raise ConfigError(f"the packed model has a layer {name}, and {type(model).__name__} has none")
            its = found[name]
            if (its.rows, its.cols) != (layer.rows, layer.cols):
                raise ConfigError(
                    f"layer {name} is packed as {layer.rows} x {layer.cols}, but the model's is {its.rows} x "
                    f"{its.cols}; give the model that was packed"
                )
        targets = {name: found[name] for name in self.layers}
        if rest_fingerprint(model, targets.values()) != self.rest:
            raise ConfigError(
                f"{type(model).__name__} differs from the model that was packed in what lies around its "
                f"layers (embeddings, biases, norms); give that one, or compile this one"
            )
        return targets

    def worn_by(self, model: nn.Module) -> AbstractContextManager[None]:
        """Give ``model`` what was trained around the layers until it is left; see ``sw.rest.wearing``."""
        return wearing(model, self.trained)

    def integer_model(self, model: nn.Module) -> nn.Module:
        """Return a copy of ``model`` that computes in PyTorch what the accelerator makes of it.

        Raises
        ------
        ConfigError
            As :meth:`targets`.
        """
        targets = self.targets(model)
        with self.worn_by(model):
            return int8_model(model, self.layers, self.scales, targets, width=self.arch.activation_width)


def _pruning(state: Any) -> Pruning | None:
    if state is None:
        return None
    try:
        return Pruning.restored(state)
    # What is no state of one shows as whatever the reader meets first.
    except Exception:
        raise FormatError("`pruning` in the file's header must say how the model was pruned") from None


def _single(scale: float | None) -> float | None:
    return None if scale is None else float(np.float32(scale))
