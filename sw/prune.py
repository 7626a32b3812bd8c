"""One matrix in, one mask out, by any pattern, with the figures that every report needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.baselines import fine_grained_mask
from sw.direction import Statistic, direction_strength
from sw.grouping import group_order
from sw.mask_search import MaskSearch, Placement
from sw.pattern import Method, Pattern
from sw.segments import kept_groups, record_bits, segment_mask
from sw.units import MatrixShape

__all__ = ["PrunedMatrix", "describe_mask", "prune_matrix"]


@dataclass(frozen=True)
class PrunedMatrix:
    """A mask with its order and what it costs.

    Parameters
    ----------
    mask : array of bool, shape (M, K)
        True where a weight is kept, in original order.
    direction : Direction
    strengths : mapping of Statistic to (Direction, float)
        What each statistic says of the fine-grained mask at the same count.
    order : array of int64, shape (M,) if vertical, (K,) if horizontal
        Original index of every grouped index.
    retained : float
        Score kept, relative to the fine-grained mask of the same count.
    record_bits : int
        Bits of all records.
    vectors : int
        Segments that keep anything.
    lengths : mapping of int to int
        Number of vectors of each length in weights, padding included.
    """

    mask: NDArray[np.bool_]
    direction: Direction
    strengths: Mapping[Statistic, tuple[Direction, float]]
    order: NDArray[np.int64]
    retained: float
    record_bits: int
    vectors: int
    lengths: Mapping[int, int]

    @property
    def kept(self) -> int:
        """Weights kept."""
        return int(np.count_nonzero(self.mask))

    @property
    def placement(self) -> Placement:
        """Direction and order together."""
        return Placement(self.direction, self.order)

    @property
    def record_bits_per_kept(self) -> float:
        """Record bits per kept weight; 0 if nothing is kept."""
        return self.record_bits / self.kept if self.kept else 0.0

    @property
    def mean_length(self) -> float:
        """Kept weights per vector; 0 if nothing is kept."""
        return self.kept / self.vectors if self.vectors else 0.0


def prune_matrix(
    scores: NDArray[np.float32],
    *,
    kept: int,
    pattern: Pattern,
    direction: Direction | Statistic | None = None,
    grouping: bool = True,
) -> PrunedMatrix:
    """Prune one matrix.

    Parameters
    ----------
    scores : array of float32, shape (M, K)
        Importance of every weight, at least 0 (see ``sw.scores``).
    kept : int
        Weights to keep, met to the nearest group, vector, block or channel.
    pattern : Pattern
        Any but ``Method.HEAD``, which spans matrices (see ``sw.prune_model``).
    direction : Direction or Statistic, optional
        The direction itself, or the statistic of the fine-grained mask that decides it. None tries both
        and takes the one that retains more.
    grouping : bool
        Let vectors run along a better order, where that retains more than the original one.

    Returns
    -------
    PrunedMatrix

    Raises
    ------
    ConfigError
        If ``kept`` is out of range, a score is not a number, or the budget cannot be met.
    """
    _check_request(scores, kept)
    fine = fine_grained_mask(scores, kept=kept)
    strengths = {statistic: direction_strength(fine, statistic) for statistic in Statistic}
    masker = trial = _masker(scores.shape[0], scores.shape[1], kept, pattern)
    if pattern.method is Method.MIXED_VECTOR:
        budget, arch = pattern.metadata_bits, pattern.arch
        masker = partial(
            segment_mask, kept=kept, arch=arch, metadata_bits=budget, contiguous=pattern.contiguous
        )
        trial = partial(segment_mask, kept=kept, arch=arch, metadata_bits=budget, price_escapes=False)
    if isinstance(direction, Direction):
        directions = [direction]
    elif direction is None and pattern.method.directed:
        directions = list(Direction)
    else:
        directions = [strengths[direction or Statistic.NEIGHBOUR][0]]
    kinds = [[(along, _original_order(scores, along)) for along in directions]]
    if grouping and pattern.method.grouped:
        grouped = partial(group_order, scores, kept=kept, arch=_grouping_arch(pattern))
        kinds.append([(along, grouped(direction=along)) for along in directions])
    finals = []
    for choices in kinds:
        if len(choices) > 1:
            # Which direction, the fast form tells well enough, unless only the exact one meets the budget.
            try:
                fast = _best_candidate(scores, choices, trial)
            except ConfigError:
                pass
            else:
                choices = [(fast.direction, fast.order)]
        finals += choices
    best = _best_candidate(scores, finals, masker)
    placement = Placement(best.direction, best.order)
    return describe_mask(placement.original(best.mask), scores, placement, pattern.arch, strengths)


def describe_mask(
    mask: NDArray[np.bool_],
    scores: NDArray[np.float32],
    placement: Placement,
    arch: ArchConfig,
    strengths: Mapping[Statistic, tuple[Direction, float]] | None = None,
) -> PrunedMatrix:
    """Return a mask with what it retains and what its records cost.

    Parameters
    ----------
    mask : array of bool, shape (M, K)
        Original order.
    scores : array, shape (M, K)
    placement : Placement
    arch : ArchConfig
    strengths : mapping, optional
        As in :class:`PrunedMatrix`; measured on the fine-grained mask of the same count by default.
    """
    fine = fine_grained_mask(scores, kept=int(mask.sum()))
    if strengths is None:
        strengths = {statistic: direction_strength(fine, statistic) for statistic in Statistic}
    most, grouped = _total(scores, fine), placement.grouped(mask)
    groups = kept_groups(grouped, placement.direction, arch).sum(axis=2)
    counts = np.bincount(groups.ravel(), minlength=arch.groups + 1)
    return PrunedMatrix(
        mask=mask,
        direction=placement.direction,
        strengths=strengths,
        order=placement.order,
        retained=_total(scores, mask) / most if most > 0 else 1.0,
        record_bits=record_bits(grouped, placement.direction, arch),
        vectors=int(counts[1:].sum()),
        lengths={n * arch.lanes: int(counts[n]) for n in range(1, arch.groups + 1)},
    )


class _Masker(Protocol):
    """Makes the mask of scores in grouped order."""

    def __call__(self, score: NDArray[np.float32], *, direction: Direction) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class _Candidate:
    """A mask in grouped order and the score it keeps."""

    total: float
    direction: Direction
    order: NDArray[np.int64]
    mask: NDArray[np.bool_]


def _masker(rows: int, cols: int, kept: int, pattern: Pattern) -> _Masker:
    """Return what finds the mask of any pattern without a metadata budget."""
    its = MatrixShape("matrix", rows, cols)

    def mask(score: NDArray[np.float32], *, direction: Direction) -> NDArray[np.bool_]:
        search = MaskSearch(pattern, [its], {its.name: Placement.plain(its, direction)})
        return search.masks({its.name: score}, kept)[its.name]

    return mask


def _grouping_arch(pattern: Pattern) -> ArchConfig:
    """Return what the order is made for: groups of one vector, and sets of these, for fixed lengths."""
    if pattern.method is not Method.VECTOR or pattern.size not in (1, 2, 4, 8, 16):
        return pattern.arch
    segment = max(pattern.arch.segment, pattern.size)
    return ArchConfig(clusters=1, lanes=pattern.size, tokens=1, segment=segment)


def _original_order(scores: NDArray[np.float32], direction: Direction) -> NDArray[np.int64]:
    return np.arange(scores.shape[_axis(direction)], dtype=np.int64)


def _best_candidate(
    scores: NDArray[np.float32],
    choices: Sequence[tuple[Direction, NDArray[np.int64]]],
    masker: _Masker,
) -> _Candidate:
    """Return the choice of direction and order that keeps most score; the first wins ties."""
    candidates: list[_Candidate] = []
    refusal: ConfigError | None = None
    for direction, order in choices:
        ordered = np.take(scores, order, axis=_axis(direction))
        try:
            mask = masker(ordered, direction=direction)
        # A budget that one order cannot meet, another may.
        except ConfigError as error:
            refusal = error
            continue
        candidates.append(_Candidate(_total(ordered, mask), direction, order, mask))
    if not candidates and refusal is not None:
        raise refusal
    return max(candidates, key=lambda candidate: candidate.total)


def _total(scores: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    return float(scores[mask].sum(dtype=np.float64))


def _axis(direction: Direction) -> int:
    """Axis that the order of a direction permutes: outputs if vertical, inputs if horizontal."""
    return 0 if direction is Direction.VERTICAL else 1


def _check_request(scores: NDArray[np.float32], kept: int) -> None:
    if scores.ndim != 2 or scores.size == 0:
        raise ConfigError(f"a weight matrix must have rows and columns, not shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ConfigError("every weight must be finite, but some are NaN or infinite; repair the model")
    if not 0 <= kept <= scores.size:
        raise ConfigError(f"`kept` must be from 0 to the {scores.size} weights of the matrix, not {kept}")
