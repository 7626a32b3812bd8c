"""The prunable matrices inside a PyTorch module: found, read and written as M x K."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from spec.errors import ConfigError
from sw.models import FAMILIES, Family

__all__ = ["Role", "Target", "check_detached", "find_targets"]


class Role(Enum):
    """Place of a matrix in a transformer layer; the value is its name in ``layer{n}.{name}``."""

    QKV = "qkv"
    ATTENTION_OUTPUT = "attention_output"
    FF_UP = "ff_up"
    FF_DOWN = "ff_down"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Target:
    """One prunable matrix: the weights of modules that share an input, stacked by outputs.

    Parameters
    ----------
    name : str
        ``layer{n}.{role}`` in the BERT and GPT-2 families, otherwise the module's path.
    modules : tuple of Module
        Each has a 2-D parameter ``weight``.
    transposed : bool
        Whether the modules store K x M (GPT-2's Conv1D).
    role : Role
    heads : int
        Attention heads of ``QKV`` and ``ATTENTION_OUTPUT``; 0 elsewhere.
    """

    name: str
    modules: tuple[nn.Module, ...]
    transposed: bool
    role: Role = Role.OTHER
    heads: int = 0

    @property
    def rows(self) -> int:
        """M, outputs of all modules together."""
        return sum(weight.shape[1 if self.transposed else 0] for weight in self._weights())

    @property
    def cols(self) -> int:
        """K, inputs."""
        return int(next(self._weights()).shape[0 if self.transposed else 1])

    def weight(self) -> torch.Tensor:
        """Return a copy of the matrix, M x K, float32, on the CPU."""
        with torch.no_grad():
            parts = [weight.T if self.transposed else weight for weight in self._weights()]
            return torch.cat(list(parts)).detach().to("cpu", torch.float32).contiguous()

    def split(self, matrix: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the part of an M x K matrix that belongs to each module, in its own layout."""
        sizes = [weight.shape[1 if self.transposed else 0] for weight in self._weights()]
        return tuple(part.T if self.transposed else part for part in torch.split(matrix, sizes))

    def join(self, parts: "tuple[torch.Tensor, ...] | list[torch.Tensor]") -> torch.Tensor:
        """Return the M x K matrix of one tensor per module, each in the module's layout."""
        return torch.cat([part.T if self.transposed else part for part in parts])

    def assign(self, matrix: torch.Tensor) -> None:
        """Write an M x K matrix into the modules.

        Raises
        ------
        ConfigError
            If the shape differs, or a module computes its weight from another parameter.
        """
        if any(parametrize.is_parametrized(module, "weight") for module in self.modules):
            raise ConfigError(f"the weight of {self.name} is parametrized; remove its parametrization first")
        if matrix.shape != (self.rows, self.cols):
            raise ConfigError(
                f"matrix {self.name} must be {self.rows} x {self.cols}, not {tuple(matrix.shape)}; "
                f"give the one of this model"
            )
        with torch.no_grad():
            for weight, part in zip(self._weights(), self.split(matrix), strict=True):
                weight.copy_(part)

    def _weights(self) -> Iterator[torch.Tensor]:
        for module in self.modules:
            yield module.weight  # type: ignore[misc]


def find_targets(model: nn.Module) -> dict[str, Target]:
    """Return the prunable matrices of ``model`` by name, in the order of its layers.

    In a model of the BERT or GPT-2 family these are the four matrices of every layer, queries, keys and
    values stacked. In any other module they are the weights of all ``Linear`` and ``Conv1D`` layers
    that are not tied to an embedding.

    Raises
    ------
    ConfigError
        If there is none.
    """
    modules = dict(model.named_modules())
    for family in FAMILIES:
        targets = _family_targets(family, modules, _heads(model))
        if targets:
            return targets
    embeddings = {id(module.weight) for module in modules.values() if isinstance(module, nn.Embedding)}
    found = {}
    for name, module in modules.items():
        if _is_linear(module) and id(module.weight) not in embeddings:
            found[name] = Target(name, (module,), not isinstance(module, nn.Linear))
    if not found:
        raise ConfigError(
            f"{type(model).__name__} has no Linear or Conv1D layer to prune; give a model that has one"
        )
    return found


def check_detached(targets: Iterable[Target]) -> None:
    """Refuse layers that something else multiplies for, as `codesign.whole.attach` lets it.

    Raises
    ------
    ConfigError
        If one is attached.
    """
    if any("forward" in vars(module) for target in targets for module in target.modules):
        raise ConfigError("the model's layers are attached to something already; detach them first")


def _family_targets(family: Family, modules: dict[str, nn.Module], heads: int) -> dict[str, Target]:
    places: dict[tuple[int, str], list[tuple[int, nn.Module]]] = {}
    for path, module in modules.items():
        place = family.match(f"{path}.weight")
        if place is not None and _is_linear(module):
            layer, name = place
            rank = family.parts(name).index(name)
            places.setdefault((layer, family.modules[name]), []).append((rank, module))
    targets = {}
    for layer in sorted({layer for layer, _ in places}):
        for role in Role:
            parts = places.get((layer, role.value))
            if parts is None:
                continue
            name = f"layer{layer}.{role.value}"
            stacked = tuple(module for _, module in sorted(parts, key=lambda part: part[0]))
            attention = role in (Role.QKV, Role.ATTENTION_OUTPUT)
            targets[name] = Target(name, stacked, family.transposed, role, heads if attention else 0)
    return targets


def _is_linear(module: nn.Module) -> bool:
    """Whether the module multiplies by a 2-D weight: Linear, or Conv1D of transformers."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _heads(model: nn.Module) -> int:
    config: Any = getattr(model, "config", None)
    heads = getattr(config, "num_attention_heads", 0)
    return heads if isinstance(heads, int) else 0
