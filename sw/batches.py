"""Batches of samples of unequal length: drawn so that they pad little, and padded."""

from collections.abc import Sequence
from typing import Final

import torch

from spec.errors import ConfigError

__all__ = ["draw_neighbours", "evenly", "pad_rows"]

# Window of neighbours in length, in batches, of which a batch is drawn: mixes, and pads little.
_WINDOW: Final = 4


def draw_neighbours(count: int, size: int, generator: torch.Generator) -> list[int]:
    """Return ``size`` different indices below ``count`` from a random window of a few times ``size``.

    Raises
    ------
    ConfigError
        If ``size`` is not between 1 and ``count``.
    """
    if not 1 <= size <= count:
        raise ConfigError(f"a batch must have between 1 and the {count} training samples, not {size}")
    window = min(count, _WINDOW * size)
    centre = int(torch.randint(count, (), generator=generator))
    first = min(max(0, centre - window // 2), count - window)
    chosen = torch.randperm(window, generator=generator)[:size] + first
    return [int(index) for index in chosen.sort().values]


def pad_rows(rows: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
    """Return rows of numbers as one matrix of int64, padded at the end."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def evenly(count: int, most: int) -> list[int]:
    """Return at most ``most`` indices below ``count``, spread evenly, in order."""
    kept = min(most, count)
    return [index * count // kept for index in range(kept)]
