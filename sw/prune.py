"""One matrix in, one mask out, by any method, with the figures that every report needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.baselines import block_mask, fine_grained_mask, vector_mask
from sw.direction import Statistic, direction_strength
from sw.grouping import group_order
from sw.scores import Score, score_weights
from sw.segments import kept_groups, record_bits, segment_mask

__all__ = ["METADATA_BITS", "Method", "PrunedMatrix", "parse_method", "prune_matrix"]

METADATA_BITS: Final = 0.6
"""Default budget of records: with scales, order table and framing, metadata stays below 1 bit."""


class Method(Enum):
    """Pruning pattern; the value is its name on the command line."""

    MIXED_VECTOR = "mixed-vector"
    VECTOR = "vector"
    FINE_GRAINED = "fine-grained"
    BLOCK = "block"

    @property
    def grouped(self) -> bool:
        """Whether the pattern gains from a grouped order."""
        return self in (Method.MIXED_VECTOR, Method.VECTOR)


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
    def record_bits_per_kept(self) -> float:
        """Record bits per kept weight; 0 if nothing is kept."""
        return self.record_bits / self.kept if self.kept else 0.0

    @property
    def mean_length(self) -> float:
        """Kept weights per vector; 0 if nothing is kept."""
        return self.kept / self.vectors if self.vectors else 0.0


def parse_method(name: str) -> Method:
    """Return the method called ``name``.

    Raises
    ------
    ConfigError
        If there is none; names those there are.
    """
    try:
        return Method(name)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ConfigError(f"`method` {name} is not available; available are {known}") from None


def prune_matrix(
    weight: torch.Tensor | NDArray[np.floating],
    *,
    kept: int,
    arch: ArchConfig,
    method: Method = Method.MIXED_VECTOR,
    metadata_bits: float | None = METADATA_BITS,
    score: Score = Score.MAGNITUDE,
    activations: torch.Tensor | NDArray[np.floating] | None = None,
    direction: Direction | Statistic | None = None,
    grouping: bool = True,
    contiguous: bool = False,
    length: int | None = None,
) -> PrunedMatrix:
    """Prune one matrix.

    Parameters
    ----------
    weight : Tensor or array, shape (M, K)
    kept : int
        Weights to keep, met to the nearest group, vector or block.
    arch : ArchConfig
        Uses ``lanes``, ``segment`` and ``advance_width``.
    method : Method
    metadata_bits : float, optional
        Most record bits per kept weight, of ``MIXED_VECTOR`` only; None for no limit.
    score : Score
    activations : Tensor or array, shape (K, N), optional
        Calibration inputs, for ``Score.ACTIVATION``.
    direction : Direction or Statistic, optional
        The direction itself, or the statistic of the fine-grained mask that decides it. None tries both
        and takes the one that retains more.
    grouping : bool
        Let vectors run along a better order, where that retains more than the original one.
    contiguous : bool
        Use the strict form of ``MIXED_VECTOR``.
    length : int, optional
        Weights per vector (default L), or outputs and inputs per block (default L).

    Returns
    -------
    PrunedMatrix

    Raises
    ------
    ConfigError
        If ``kept`` is out of range, ``length`` does not belong to the method, activations do not fit, or
        the budget cannot be met.
    """
    matrix = _as_array(weight)
    _check_request(matrix, kept, method, length)
    inputs = None if activations is None else _as_array(activations)
    scores = score_weights(matrix, score, inputs)
    fine = fine_grained_mask(scores, kept=kept)
    strengths = {statistic: direction_strength(fine, statistic) for statistic in Statistic}
    size = arch.lanes if length is None else length
    masker: _Masker
    match method:
        case Method.MIXED_VECTOR:
            masker = partial(
                segment_mask, kept=kept, arch=arch, metadata_bits=metadata_bits, contiguous=contiguous
            )
        case Method.VECTOR:
            masker = partial(vector_mask, kept=kept, length=size)
        case Method.BLOCK:
            masker = partial(_undirected, mask=block_mask(scores, kept=kept, length=size))
        case Method.FINE_GRAINED:
            masker = partial(_undirected, mask=fine)
    trial = masker
    if method is Method.MIXED_VECTOR:
        trial = partial(segment_mask, kept=kept, arch=arch, metadata_bits=metadata_bits, price_escapes=False)
    if isinstance(direction, Direction):
        directions = [direction]
    elif direction is None and method.grouped:
        directions = list(Direction)
    else:
        directions = [strengths[direction or Statistic.NEIGHBOUR][0]]
    kinds = [[(along, _original_order(scores, along)) for along in directions]]
    if grouping and method.grouped:
        grouped = partial(group_order, scores, kept=kept, arch=arch)
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
    return _finish(_best_candidate(scores, finals, masker), scores, fine, strengths, arch)


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


def _undirected(
    score: NDArray[np.float32], *, direction: Direction, mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return a mask that does not depend on direction or order."""
    return mask


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


def _finish(
    best: _Candidate,
    scores: NDArray[np.float32],
    fine: NDArray[np.bool_],
    strengths: Mapping[Statistic, tuple[Direction, float]],
    arch: ArchConfig,
) -> PrunedMatrix:
    """Undo the order of the best mask and count what it costs."""
    axis = _axis(best.direction)
    mask = np.empty_like(best.mask)
    if axis == 0:
        mask[best.order] = best.mask
    else:
        mask[:, best.order] = best.mask
    reference = fine if fine.sum() == mask.sum() else fine_grained_mask(scores, kept=int(mask.sum()))
    most = _total(scores, reference)
    groups = kept_groups(best.mask, best.direction, arch).sum(axis=2)
    counts = np.bincount(groups.ravel(), minlength=arch.groups + 1)
    return PrunedMatrix(
        mask=mask,
        direction=best.direction,
        strengths=strengths,
        order=best.order,
        retained=best.total / most if most > 0 else 1.0,
        record_bits=record_bits(best.mask, best.direction, arch),
        vectors=int(counts[1:].sum()),
        lengths={n * arch.lanes: int(counts[n]) for n in range(1, arch.groups + 1)},
    )


def _total(scores: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    return float(scores[mask].sum(dtype=np.float64))


def _axis(direction: Direction) -> int:
    """Axis that the order of a direction permutes: outputs if vertical, inputs if horizontal."""
    return 0 if direction is Direction.VERTICAL else 1


def _as_array(values: torch.Tensor | NDArray[np.floating]) -> NDArray[np.float32]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.ascontiguousarray(array, dtype=np.float32)


def _check_request(matrix: NDArray[np.float32], kept: int, method: Method, length: int | None) -> None:
    if matrix.ndim != 2 or matrix.size == 0:
        raise ConfigError(f"a weight matrix must have rows and columns, not shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ConfigError("every weight must be finite, but some are NaN or infinite; repair the model")
    if not 0 <= kept <= matrix.size:
        raise ConfigError(f"`kept` must be from 0 to the {matrix.size} weights of the matrix, not {kept}")
    if length is None:
        return
    if method in (Method.MIXED_VECTOR, Method.FINE_GRAINED):
        raise ConfigError(f"`length` belongs to methods vector and block, not {method.value}; leave it out")
    if length < 1:
        raise ConfigError(f"`length` must be at least 1, not {length}")
