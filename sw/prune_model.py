"""All matrices of a model in, their masks out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.mask_search import Allocation, MaskSearch, Placement, shares
from sw.pattern import METADATA_BITS, Method, Pattern
from sw.prune import PrunedMatrix, describe_mask, prune_matrix
from sw.targets import Role
from sw.units import MatrixShape

__all__ = ["PruneOptions", "prune_layer", "prune_model"]

_MOST_METADATA_BITS: Final = 4.0
"""Where doubling a budget that cannot be met ends."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class PruneOptions:
    """How the matrices of a model are pruned; ``direction`` and ``grouping`` as in ``prune_matrix``.

    Parameters
    ----------
    pattern : Pattern
    direction : Direction or Statistic, optional
    grouping : bool
    allocation : Allocation
    yielding : bool
        Double a metadata budget that a matrix cannot meet until it can, instead of refusing.
    """

    pattern: Pattern
    direction: Direction | Statistic | None = None
    grouping: bool = True
    allocation: Allocation = Allocation.MATRIX
    yielding: bool = False

    @classmethod
    def default(cls, arch: ArchConfig) -> Self:
        """Return mixed vectors within the default budget, where that can be met."""
        return cls(Pattern(arch, metadata_bits=METADATA_BITS), yielding=True)


def prune_layer(name: str, scores: Scores, kept: int, options: PruneOptions) -> PrunedMatrix:
    """Prune the matrix ``name`` alone; as ``prune_matrix``, with a budget that may yield.

    Raises
    ------
    ConfigError
        If the matrix cannot be pruned so; names it.
    """
    pattern = options.pattern
    while True:
        try:
            return prune_matrix(
                scores, kept=kept, pattern=pattern, direction=options.direction, grouping=options.grouping
            )
        except ConfigError as error:
            budget = pattern.metadata_bits
            if not options.yielding or budget is None:
                raise ConfigError(f"layer {name}: {error}") from None
            pattern = replace(pattern, metadata_bits=2 * budget if budget < _MOST_METADATA_BITS else None)


def prune_model(
    scores: Mapping[str, Scores],
    shapes: Sequence[MatrixShape],
    kept: int,
    options: PruneOptions,
    progress: Callable[[int], None] | None = None,
) -> dict[str, PrunedMatrix]:
    """Prune all matrices, as many at a time as PyTorch has threads.

    Parameters
    ----------
    scores : mapping of str to array of float32, shape (M, K)
        Importance of every weight by name; on one scale for all matrices if allocated globally.
    shapes : sequence of MatrixShape
    kept : int
        Weights to keep of all matrices.
    options : PruneOptions
    progress : callable, optional
        Called with the weights done since the last call.

    Returns
    -------
    dict of str to PrunedMatrix
        In the order of ``shapes``.

    Raises
    ------
    ConfigError
        If a matrix cannot be pruned so; names it.
    """
    pattern = options.pattern
    spanning = pattern.method is Method.HEAD

    def prune_one(its: MatrixShape, share: int) -> PrunedMatrix:
        if not spanning:
            return prune_layer(its.name, scores[its.name], share, options)
        whole = np.ones((its.rows, its.cols), np.bool_)
        return describe_mask(
            whole, scores[its.name], Placement.plain(its, _head_direction(its)), pattern.arch
        )

    pruned = {}
    workers = torch.get_num_threads()
    with _single_threaded(), ThreadPoolExecutor(workers) as pool:
        for its, one in zip(shapes, pool.map(prune_one, shapes, shares(kept, shapes)), strict=True):
            pruned[its.name] = one
            if progress is not None:
                progress(its.size)
    if not spanning and options.allocation is Allocation.MATRIX:
        return pruned
    placements = {name: its.placement for name, its in pruned.items()}
    masks = MaskSearch(pattern, shapes, placements, options.allocation).masks(scores, kept)
    return {
        name: describe_mask(mask, scores[name], placements[name], pattern.arch, pruned[name].strengths)
        for name, mask in masks.items()
    }


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let PyTorch compute with one thread: matrices run beside each other, and so do their sums repeat."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _head_direction(its: MatrixShape) -> Direction:
    """Along what a head keeps whole: rows of queries, keys and values, columns of the output."""
    return Direction.VERTICAL if its.role is Role.ATTENTION_OUTPUT else Direction.HORIZONTAL
