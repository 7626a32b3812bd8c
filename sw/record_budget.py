"""Prices on records that meet a metadata budget, for any search that knows its choices by price."""

import math
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.bracket import Met, fall_to

__all__ = ["BudgetSearch", "closest", "fewest_bits", "highest_price", "within_budget"]

_TOLERANCE = 0.002

_Choice = TypeVar("_Choice", bound=NDArray[Any], covariant=True)


class BudgetSearch(Protocol[_Choice]):
    """Choices of the exact kept count for any price μ on records.

    ``scale`` is about the price λ of a group, ``highest`` a μ above which nothing changes, ``floor`` a
    number of record bits per kept weight that no choice undercuts.
    """

    scale: float
    highest: float
    floor: float

    def choose(self, price: float) -> tuple[_Choice, float]:
        """Return the choice at μ = ``price`` and its record bits per kept weight."""
        ...


def within_budget(search: BudgetSearch[_Choice], metadata_bits: float | None) -> Met[_Choice]:
    """Return the choice at the lowest price on records that meets the budget.

    Parameters
    ----------
    search : BudgetSearch
    metadata_bits : float, optional
        Most record bits per kept weight; None for no limit.

    Raises
    ------
    ConfigError
        If no price on records meets the budget; names the least bits per kept weight.
    """
    if metadata_bits is not None and metadata_bits < search.floor:
        met = Met(search.highest, *search.choose(search.highest))
    else:
        groups, bits = search.choose(0.0)
        if metadata_bits is None or bits <= metadata_bits:
            return Met(0.0, groups, bits)
        met = closest(search, metadata_bits, search.scale / 2)
    if met.value > metadata_bits:
        # Rounded up, so that what is named can be met.
        least = math.ceil(met.value * 1000) / 1000
        raise ConfigError(
            f"`metadata_bits` must be at least {least:.3f} bits per kept weight for these weights, not "
            f"{metadata_bits}; raise it, keep more weights or use a longer segment"
        )
    return met


def closest(search: BudgetSearch[_Choice], metadata_bits: float, start: float) -> Met[_Choice]:
    """Return the choice whose record bits come closest below the budget, or those at the highest price."""
    return fall_to(
        search.choose,
        metadata_bits,
        start=start,
        width=search.scale / 4 if 0 < search.scale < np.inf else 1e-6 * search.highest,
        lowest=0.0,
        highest=search.highest,
        slack=_TOLERANCE,
    )


def highest_price(scores: NDArray[np.float64], sizes: NDArray[np.int64]) -> float:
    """Return a μ that exceeds what any segment earns, by the groups of a segment."""
    real = np.where(sizes > 0, scores, 0.0)
    return float(2 * real.sum(axis=-1).max() * scores.shape[-1])


def fewest_bits(blocks: int, kept: int, arch: ArchConfig) -> float:
    """Return record bits per kept weight of whole segments only, and of one record for every block."""
    if kept == 0:
        return 0.0
    return arch.record_width * max(1 / arch.segment, blocks / (kept + arch.lanes))
