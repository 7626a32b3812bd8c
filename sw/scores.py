"""How important every weight is, and the strongest of anything by rank."""

from enum import Enum
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from spec.errors import ConfigError
from sw.statistics import LayerStatistics

__all__ = ["FISHER_FLOOR", "Score", "score_weights", "strongest"]

FISHER_FLOOR: Final = 1e-12
"""Added to squared gradients, so that weights without any still rank by magnitude."""


class Score(Enum):
    """Importance of a weight; the value is its name on the command line."""

    MAGNITUDE = "magnitude"
    """|w|."""
    ACTIVATION = "activation"
    """|w| times the root mean square of the input it meets (Wanda, arXiv:2306.11695)."""
    FISHER = "fisher"
    """w² times the mean square of its gradient: the squared change of the loss without it, to first order."""
    SECOND_ORDER = "second-order"
    """w² / [H⁻¹]_kk: how much the output's mean square error grows without it, at least, when the other
    weights of its row make up for it (Hassibi & Stork 1993; with H of a layer, arXiv:2301.00774)."""
    MOVEMENT = "movement"
    """-Σ w · ∂loss/∂w over fine-tuning: how far it moved away from 0 (arXiv:2005.07683)."""
    SOFT_MOVEMENT = "soft-movement"
    """Movement learned as a score of its own under a penalty (arXiv:2005.07683), at the given count."""

    @property
    def needs_hessian(self) -> bool:
        """Whether it needs ``LayerStatistics.hessian``."""
        return self in (Score.ACTIVATION, Score.SECOND_ORDER)

    @property
    def needs_gradients(self) -> bool:
        """Whether it needs ``LayerStatistics.gradient_square``."""
        return self is Score.FISHER

    @property
    def needs_training(self) -> bool:
        """Whether it is summed up during fine-tuning."""
        return self in (Score.MOVEMENT, Score.SOFT_MOVEMENT)


def score_weights(
    weight: NDArray[np.float32],
    score: Score,
    *,
    statistics: LayerStatistics | None = None,
    movement: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the importance of every weight, at least 0.

    Parameters
    ----------
    weight : array, shape (M, K)
    score : Score
    statistics : LayerStatistics, optional
        Of the same matrix: its Hessian for ``ACTIVATION`` and ``SECOND_ORDER``, its squared gradients for
        ``FISHER``.
    movement : array, shape (M, K), optional
        What fine-tuning summed up, for ``MOVEMENT`` and ``SOFT_MOVEMENT``. For a threshold across matrices
        give it shifted to at least 0 by one amount for all; what is at least 0 is left as it is.

    Returns
    -------
    array of float32, shape (M, K)

    Raises
    ------
    ConfigError
        If what the score needs is missing or belongs to a matrix of another shape.
    """
    magnitude: NDArray[np.float32] = np.abs(weight, dtype=np.float32)
    if score is Score.MAGNITUDE:
        return magnitude
    if score.needs_training:
        found = None if movement is None else torch.from_numpy(movement)
        moved = _fitting(score, "the movement of a fine-tuning", found, weight.shape)
        # Adding one number to every weight adds one number to every unit of a size: ranks stay.
        return (moved - min(float(moved.min()), 0.0)).astype(np.float32)
    statistics = statistics or LayerStatistics(tokens=0)
    energy = np.square(magnitude, dtype=np.float64)
    if score.needs_gradients:
        squares = _fitting(score, "squared gradients", statistics.gradient_square, weight.shape)
        risk: NDArray[np.float32] = (energy * (squares + FISHER_FLOOR)).astype(np.float32)
        return risk
    _fitting(score, "a calibration Hessian", statistics.hessian, (weight.shape[1], weight.shape[1]))
    if score is Score.ACTIVATION:
        weighted: NDArray[np.float32] = (magnitude * statistics.input_norm().numpy()).astype(np.float32)
        return weighted
    saliency: NDArray[np.float32] = (energy / statistics.inverse_diagonal().numpy()).astype(np.float32)
    return saliency


def _fitting(
    score: Score, what: str, found: torch.Tensor | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return what the score needs, if it is there and has the shape."""
    if found is None:
        raise ConfigError(f"score `{score.value}` needs {what}; provide that or use `magnitude`")
    if tuple(found.shape) != tuple(shape):
        raise ConfigError(
            f"{what} of this matrix must be {shape[0]} x {shape[1]}, not {tuple(found.shape)}; give its own"
        )
    values: NDArray[np.float64] = found.numpy().astype(np.float64)
    return values


def strongest(values: NDArray[np.floating], sizes: NDArray[np.integer] | int, kept: int) -> NDArray[np.bool_]:
    """Return the strongest units whose weights come closest to ``kept``.

    Units are taken from the strongest down, equal ones by index; if two counts are equally close, the
    smaller wins. With units of one size this is the nearest whole number of units, exactly.

    Parameters
    ----------
    values : array, any shape
        Strength of every unit.
    sizes : array of int, broadcastable to ``values``, or int
        Weights in every unit; a unit of size 0 is padding and never taken.
    kept : int
        Weights wanted, at least 0.

    Returns
    -------
    array of bool, shape of ``values``
    """
    real = np.broadcast_to(np.asarray(sizes), values.shape).ravel()
    flat = np.where(real > 0, values.ravel(), -np.inf)
    units = int(np.count_nonzero(real))
    if units == 0:
        return np.zeros(values.shape, dtype=bool)
    size = int(real.max())
    if int(real.sum()) != units * size:
        return _closest_prefix(flat, real, kept).reshape(values.shape)
    count = min((2 * kept + size - 1) // (2 * size), units)
    if count == 0:
        return np.zeros(values.shape, dtype=bool)
    threshold = np.partition(flat, flat.size - count)[flat.size - count]
    chosen: NDArray[np.bool_] = flat > threshold
    ties = np.flatnonzero((flat == threshold) & (real > 0))
    chosen[ties[: count - int(np.count_nonzero(chosen))]] = True
    return chosen.reshape(values.shape)


def _closest_prefix(flat: NDArray[np.floating], sizes: NDArray[np.integer], kept: int) -> NDArray[np.bool_]:
    """Units of unequal sizes, ranked, up to the total closest to ``kept``."""
    order = np.argsort(-flat, kind="stable")
    totals = np.concatenate([[0], np.cumsum(sizes[order])])
    count = int(np.argmin(np.abs(totals - kept)))
    chosen = np.zeros(flat.shape, dtype=bool)
    chosen[order[:count]] = True
    return chosen
