"""Planes: a weight cut into powers of two, so that weights of any width fill stream words without a gap."""

from dataclasses import dataclass
from functools import cache

__all__ = ["Plane", "weight_planes"]


@dataclass(frozen=True)
class Plane:
    """Bits ``offset`` to ``offset + width`` - 1 of every weight, which have words of their own.

    The words of all planes that hold the same beats are a stripe.

    Parameters
    ----------
    offset, width : int
        Bits; ``width`` is a power of two.
    first, words : int
        Number of the plane's first word in a stripe, and how many it has there: a power of two that
        divides ``first``.
    """

    offset: int
    width: int
    first: int
    words: int


@cache
def weight_planes(weight_width: int) -> tuple[Plane, ...]:
    """Return the planes of a weight, lowest bits first: 8 is one plane, 3 is 2 bits and the sign above them.

    A width's binary digits, the highest as the lowest bits.
    """
    widths = [1 << digit for digit in reversed(range(weight_width.bit_length())) if weight_width >> digit & 1]
    narrowest, offset, planes = widths[-1], 0, []
    for width in widths:
        planes.append(Plane(offset, width, first=offset // narrowest, words=width // narrowest))
        offset += width
    return tuple(planes)
