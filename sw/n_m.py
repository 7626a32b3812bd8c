"""N:M masks: at least N of every M consecutive weights along a direction."""

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from sw.scores import strongest

__all__ = ["n_m_mask"]


def n_m_mask(
    score: NDArray[np.floating], *, kept: int, n: int, m: int, direction: Direction
) -> NDArray[np.bool_]:
    """Return the mask of the N strongest of every M weights and, up to ``kept``, the strongest others.

    With ``kept`` of the weights times N/M this is the plain N:M mask; more is what a gradual schedule
    keeps on its way there. A last, shorter run of s weights keeps s·N/M of them, rounded half up.

    Parameters
    ----------
    score : array, shape (M, K)
    kept : int
    n, m : int
        0 < n <= m.
    direction : Direction
        Runs of consecutive outputs if vertical, of consecutive inputs if horizontal (2:4 as usual).

    Returns
    -------
    array of bool, shape (M, K)
    """
    lines = score.T if direction is Direction.VERTICAL else score
    length = lines.shape[1]
    padded = np.pad(lines.astype(np.float64), ((0, 0), (0, -length % m)), constant_values=-np.inf)
    runs = padded.reshape(len(lines), -1, m)
    ranks = np.argsort(np.argsort(-runs, axis=2, kind="stable"), axis=2, kind="stable")
    whole = length // m
    counts = np.full(runs.shape[1], n)
    counts[whole:] = (2 * n * (length % m) + m) // (2 * m)
    certain = (ranks < counts[:, None]).reshape(len(lines), -1)[:, :length]
    if int(certain.sum()) < kept:
        certain = strongest(np.where(certain, np.inf, lines), 1, kept)
    return np.ascontiguousarray(certain.T if direction is Direction.VERTICAL else certain)
