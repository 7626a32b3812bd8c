"""The point where a falling value meets a limit, when every evaluation is expensive."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Met", "fall_to"]

_STEPS = 60
_GROWTH = 3.0
_MARGIN = 0.05
"""Part of a bracket that every step at least cuts off."""

T = TypeVar("T")


class Met(NamedTuple, Generic[T]):
    """A point, what was found there, and its value."""

    point: float
    found: T
    value: float


def fall_to(
    evaluate: Callable[[float], tuple[T, float]],
    limit: float,
    *,
    start: float,
    width: float,
    lowest: float,
    highest: float,
    slack: float,
) -> Met[T]:
    """Return a point whose value is at most ``limit``, and within ``slack`` of it where one is found.

    Steps of growing width from ``start`` until the limit lies between two values, then interpolation.
    The value need not fall everywhere: what is returned was evaluated. If even the value at
    ``highest`` exceeds the limit, that is returned.

    Parameters
    ----------
    evaluate : callable
        Returns what is found at a point and its value, at least 0.
    limit : float
    start, width : float
        First point and first step; the width is positive.
    lowest, highest : float
        Where the point lies.
    slack : float
        Part of ``limit`` that the value may stay below it.
    """
    point = min(max(start, lowest), highest)
    above: Met[T] | None = None
    below: Met[T] | None = None
    same_side = 0
    for _ in range(_STEPS):
        met = Met(point, *evaluate(point))
        if met.value > limit:
            same_side = max(same_side, 0) + 1
            above = met
            if point >= highest:
                return met
        else:
            same_side = min(same_side, 0) - 1
            below = met
            if met.value >= limit * (1 - slack) or point <= lowest:
                return met
        if below is None:
            point = min(point + width, highest)
            width *= _GROWTH
        elif above is None:
            point = max(point - width, lowest)
            width *= _GROWTH
        else:
            span = below.point - above.point
            part = (above.value - limit * (1 - slack / 2)) / (above.value - below.value)
            if abs(same_side) > 2:
                part = 0.5
            point = above.point + span * min(max(part, _MARGIN), 1 - _MARGIN)
            if not above.point < point < below.point:
                break
    return below if below is not None else Met(highest, *evaluate(highest))
