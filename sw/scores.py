"""How important every weight is, and the strongest of anything by rank."""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError

__all__ = ["Score", "score_weights", "strongest"]


class Score(Enum):
    """Importance of a weight; the value is its name on the command line."""

    MAGNITUDE = "magnitude"
    """|w|."""
    ACTIVATION = "activation"
    """|w| times the norm of the input it meets (Wanda, arXiv:2306.11695)."""


def score_weights(
    weight: NDArray[np.float32], score: Score, activations: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the importance of every weight, at least 0.

    Parameters
    ----------
    weight : array, shape (M, K)
    score : Score
    activations : array, shape (K, N), optional
        Calibration inputs of the layer; needed by ``Score.ACTIVATION``.

    Returns
    -------
    array of float32, shape (M, K)

    Raises
    ------
    ConfigError
        If activations are needed but missing, or do not have K rows.
    """
    magnitude: NDArray[np.float32] = np.abs(weight, dtype=np.float32)
    if score is Score.MAGNITUDE:
        return magnitude
    if activations is None:
        raise ConfigError("score `activation` needs calibration activations; give them or use `magnitude`")
    if activations.ndim != 2 or activations.shape[0] != weight.shape[1]:
        raise ConfigError(
            f"activations must have one row for each of the {weight.shape[1]} inputs, not shape "
            f"{activations.shape}"
        )
    norms = np.sqrt(np.square(activations, dtype=np.float64).sum(axis=1))
    weighted: NDArray[np.float32] = (magnitude * norms).astype(np.float32)
    return weighted


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
