"""Ranges of the two's complement integers that travel through the array."""

from typing import Final

__all__ = ["OUTPUT_WIDTH", "signed_range", "signed_width"]

OUTPUT_WIDTH: Final = 32
"""Bits of a signed output: the most that a psum may take."""


def signed_range(width: int) -> tuple[int, int]:
    """Smallest and largest value of a signed number of ``width`` bits."""
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def signed_width(number: int) -> int:
    """Bits of the narrowest signed number that holds ``number``."""
    return max(number, ~number).bit_length() + 1
