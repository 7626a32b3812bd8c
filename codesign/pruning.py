"""How a model's matrices are pruned, and one of them."""

from dataclasses import dataclass
from typing import Final

import torch

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.prune import METADATA_BITS, Method, PrunedMatrix, prune_matrix
from sw.scores import Score

__all__ = ["PruneOptions", "prune_layer"]

_MOST_METADATA_BITS: Final = 4.0
"""Where doubling a default budget that cannot be met ends."""


@dataclass(frozen=True)
class PruneOptions:
    """Options that hold for every matrix; see ``sw.prune.prune_matrix``.

    ``metadata_bits`` of None is the default budget, which yields where a matrix cannot meet it.
    """

    arch: ArchConfig
    method: Method = Method.MIXED_VECTOR
    metadata_bits: float | None = None
    contiguous: bool = False
    score: Score = Score.MAGNITUDE
    direction: Direction | Statistic | None = None
    grouping: bool = True
    length: int | None = None


def prune_layer(
    name: str,
    weight: torch.Tensor,
    kept: int,
    options: PruneOptions,
    inputs: torch.Tensor | None = None,
) -> tuple[PrunedMatrix, bool]:
    """Prune the matrix ``name``.

    A default budget that cannot be met is doubled until it can, or does not bind.

    Returns
    -------
    PrunedMatrix
    bool
        Whether the budget was met.

    Raises
    ------
    ConfigError
        If the matrix cannot be pruned so; names it.
    """
    given = options.metadata_bits
    first = METADATA_BITS if given is None and options.method is Method.MIXED_VECTOR else given
    budget = first
    while True:
        try:
            pruned = prune_matrix(
                weight,
                kept=kept,
                arch=options.arch,
                method=options.method,
                metadata_bits=budget,
                score=options.score,
                activations=inputs,
                direction=options.direction,
                grouping=options.grouping,
                contiguous=options.contiguous,
                length=options.length,
            )
        except ConfigError as error:
            if budget is None or given is not None:
                raise ConfigError(f"layer {name}: {error}") from None
            budget = 2 * budget if budget < _MOST_METADATA_BITS else None
        else:
            return pruned, budget == first
