"""Grouping: the order of outputs or inputs that lets important weights fall into the same groups.

The items (outputs if vertical, inputs if horizontal) are put into groups of L, the groups into segments
of B/L, with one method for both: pair what gains most together, pair the pairs, and so on, then swap
members between sets as long as that gains. What a set gains is Σ over the other axis of
max(0, Σ values of its members − price): what the pruner keeps of it.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from sw.pairing import join_gains, pair_greedily

__all__ = ["group_order"]

_SWEEPS = 4
_STRIP = 512
"""Rows whose products are computed at once."""


def group_order(
    score: NDArray[np.float32],
    *,
    kept: int,
    direction: Direction,
    arch: ArchConfig,
    price: float = 0.5,
) -> NDArray[np.int64]:
    """Return the grouped order of outputs (vertical) or inputs (horizontal).

    Items that do not fill a segment are the weakest; they come last.

    Parameters
    ----------
    score : array, shape (M, K)
        Importance of every weight.
    kept : int
        Weights that will be kept; sets the price of a group.
    direction : Direction
    arch : ArchConfig
        Uses ``lanes`` and ``segment``.
    price : float
        Price of a record (μ) in prices of a group (λ), as metadata budgets of 0.6 to 0.9 bits have it.

    Returns
    -------
    array of int64, shape (M,) or (K,)
        Original index of each grouped index.
    """
    items = score if direction is Direction.VERTICAL else score.T
    count, lanes = len(items), arch.lanes
    ranked = np.argsort(-items.sum(axis=1, dtype=np.float64), kind="stable")
    whole = count - count % arch.segment
    heads, tail = np.sort(ranked[:whole]), ranked[whole:]
    if whole == 0:
        return tail.astype(np.int64)
    values = torch.from_numpy(np.ascontiguousarray(items[heads], dtype=np.float32))
    density = kept / max(score.size, 1)
    groups = torch.arange(whole).view(-1, 1)
    if lanes > 1:
        groups = _gather_sets(values, lanes, density)
    sums = values[groups].sum(dim=1)
    threshold = _group_price(sums, density)
    if arch.groups > 1:
        surplus = torch.relu(sums - threshold)
        sets = _join_pairs(surplus, arch.groups)
        sets = _refine_sets(surplus, sets, threshold * price)
        groups = groups[sets.flatten()]
    order: NDArray[np.int64] = np.concatenate([heads[groups.flatten().numpy()], tail]).astype(np.int64)
    return order


def _group_price(sums: torch.Tensor, density: float) -> float:
    """Return the score of the weakest group kept at ``density``, were there no price on records."""
    flat = sums.flatten()
    kept = min(max(round(flat.numel() * density), 1), flat.numel())
    return float(flat.kthvalue(flat.numel() - kept + 1).values)


def _gather_sets(values: torch.Tensor, members: int, density: float) -> torch.Tensor:
    sets = _join_pairs(_clip(values, density), members)
    for _ in range(2):
        sets = _refine_sets(values, sets, _group_price(values[sets].sum(dim=1), density))
    return sets


def _clip(values: torch.Tensor, density: float) -> torch.Tensor:
    """Return the part of every value above the price of a single weight: what sets have in common."""
    return torch.relu(values - _group_price(values, density))


def _join_pairs(values: torch.Tensor, members: int) -> torch.Tensor:
    """Return sets of ``members`` items, pairing sets of similar support, then those, and so on."""
    sets = torch.arange(len(values)).view(-1, 1)
    while sets.shape[1] < members:
        summed = values[sets].sum(dim=1)
        pairs = torch.from_numpy(pair_greedily(_similarities(summed.sqrt()).numpy()))
        sets = torch.cat([sets[pairs[:, 0]], sets[pairs[:, 1]]], dim=1)
    return sets


def _similarities(shapes: torch.Tensor) -> torch.Tensor:
    """Return the scalar products of all rows, symmetric to the last bit; each is computed once."""
    products = torch.empty(len(shapes), len(shapes))
    for start in range(0, len(shapes), _STRIP):
        stop = min(start + _STRIP, len(shapes))
        strip = shapes[start:] @ shapes[start:stop].T
        corner = strip[: stop - start]
        corner.copy_(torch.maximum(corner, corner.T))
        products[start:, start:stop] = strip
        products[start:stop, start:] = strip.T
    return products


def _refine_sets(values: torch.Tensor, sets: torch.Tensor, price: float) -> torch.Tensor:
    """Return sets improved by swaps: each sweep lets every set offer one member."""
    if len(sets) < 2:
        return sets
    sets, members, idle = sets.clone(), sets.shape[1], 0
    for sweep in range(_SWEEPS):
        slot = sweep % members
        offered = values[sets[:, slot]]
        rest = values[sets].sum(dim=1) - offered
        gains = torch.from_numpy(join_gains(offered.numpy(), rest.numpy(), price))
        now = gains.diagonal()
        swaps = gains + gains.T - now[:, None] - now[None, :]
        # A gain below rounding is none, and would swap back and forth.
        swaps[swaps <= 1e-5 * now.abs().max()] = -torch.inf
        pairs = torch.from_numpy(pair_greedily(swaps.numpy()))
        sets[pairs, slot] = sets[pairs.flip(1), slot]
        idle = 0 if len(pairs) else idle + 1
        if idle == members:
            break
    return sets
