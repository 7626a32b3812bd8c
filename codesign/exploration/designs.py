"""The designs of an exploration: every combination of what the user varies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from codesign.pruned import kept_count
from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.presets import PRESETS

__all__ = ["Design", "DesignSpace", "Pruning", "base_fields"]


@dataclass(frozen=True)
class Pruning:
    """How a model is pruned for some designs: what of it depends on the architecture, and how far.

    Parameters
    ----------
    lanes, segment, advance_width : int
        As in ``ArchConfig``: weights of a group and of a segment, bits of a record's advance.
    sparsity : float
    metadata_bits : float
        Most record bits per kept weight; doubled for a matrix that cannot meet it.
    weight_width, activation_width : int
        Bits that the pruned model is judged with; of no account if it is not.
    """

    lanes: int
    segment: int
    advance_width: int
    sparsity: float
    metadata_bits: float
    weight_width: int = 8
    activation_width: int = 8

    @property
    def arch(self) -> ArchConfig:
        """An architecture whose masks are those of all that share this pruning."""
        return ArchConfig(
            clusters=1,
            lanes=self.lanes,
            tokens=1,
            segment=self.segment,
            advance_width=self.advance_width,
            weight_width=self.weight_width,
            activation_width=self.activation_width,
        )


@dataclass(frozen=True)
class Design:
    """An accelerator and the pruned model that it runs; without ``pruning`` that of a packed file."""

    arch: ArchConfig
    pruning: Pruning | None


@dataclass(frozen=True)
class DesignSpace:
    """All combinations of architecture parameters, sparsities and metadata budgets.

    Parameters
    ----------
    base : mapping of str to int
        Fields of every architecture; those that follow from the array's shape are derived where they are
        not given.
    axes : mapping of str to sequence of int
        Values of the fields that vary; they replace those of ``base``.
    sparsities, metadata_bits : sequence of float
        Empty for the masks of a packed file.
    judged : bool
        Whether every pruned model is judged, with the bits of the architecture.
    """

    base: Mapping[str, int]
    axes: Mapping[str, Sequence[int]]
    sparsities: Sequence[float] = ()
    metadata_bits: Sequence[float] = ()
    judged: bool = False

    @property
    def choices(self) -> dict[str, Sequence[int] | Sequence[float]]:
        """Everything that varies, by the name of its option."""
        prunings = {"sparsity": self.sparsities, "metadata_bits": self.metadata_bits}
        return {**self.axes, **(prunings if self.sparsities else {})}

    @property
    def size(self) -> int:
        """Combinations, impossible ones included."""
        return prod(len(values) for values in self.choices.values())

    def check(self) -> None:
        """Refuse values that no design can have.

        Raises
        ------
        ConfigError
            If an axis is empty, or a sparsity or a budget is none.
        """
        for name, values in self.axes.items():
            if not values:
                raise ConfigError(f"`--{name.replace('_', '-')}` must list at least one value; give some")
        for sparsity in self.sparsities:
            kept_count(sparsity, 1)
        for budget in self.metadata_bits:
            if not 0 <= budget < float("inf"):
                raise ConfigError(f"`--metadata-bits` must be numbers of bits, at least 0, not {budget:g}")

    def design(self, choice: Mapping[str, Any]) -> Design:
        """Return the design of one of the ``choices`` each.

        Raises
        ------
        ConfigError
            If there is no such architecture.
        """
        arch = self._arch({name: choice[name] for name in self.axes})
        if not self.sparsities:
            return Design(arch, None)
        return Design(arch, self._pruning(arch, choice["sparsity"], choice["metadata_bits"]))

    def _arch(self, values: Mapping[str, int]) -> ArchConfig:
        return ArchConfig.parse(json.dumps({**self.base, **values}), source="it")

    def designs(self) -> tuple[list[Design], list[str]]:
        """Return every possible design, in the order of the axes, and why other combinations are none.

        Raises
        ------
        ConfigError
            If an axis is empty, a sparsity is none, or no combination is possible: with the first reason.
        """
        self.check()
        refusals: list[str] = []
        found: dict[Design, None] = {}
        for values in product(*self.axes.values()):
            try:
                arch = self._arch(dict(zip(self.axes, values, strict=True)))
            except ConfigError as error:
                shape = ", ".join(f"{name} {value}" for name, value in zip(self.axes, values, strict=True))
                refusals.append(f"{shape}: {error}")
                continue
            found |= dict.fromkeys(Design(arch, pruning) for pruning in self._prunings(arch))
        if not found:
            raise ConfigError(f"no combination is an architecture; the first is not because {refusals[0]}")
        return list(found), refusals

    def _prunings(self, arch: ArchConfig) -> list[Pruning | None]:
        if not self.sparsities:
            return [None]
        return [
            self._pruning(arch, sparsity, budget)
            for sparsity, budget in product(self.sparsities, self.metadata_bits)
        ]

    def _pruning(self, arch: ArchConfig, sparsity: float, metadata_bits: float) -> Pruning:
        pruning = Pruning(arch.lanes, arch.segment, arch.advance_width, sparsity, metadata_bits)
        if not self.judged:
            return pruning
        return replace(pruning, weight_width=arch.weight_width, activation_width=arch.activation_width)


def base_fields(name: str) -> dict[str, int]:
    """Return the fields that a preset or an architecture file names, without derived ones.

    Raises
    ------
    ConfigError
        If it is neither, or no architecture.
    """
    ArchConfig.load(name)
    if name in PRESETS:
        return dict(PRESETS[name])
    fields: dict[str, int] = json.loads(Path(name).read_text())
    return fields
