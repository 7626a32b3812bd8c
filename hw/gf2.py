"""Linear algebra over GF(2): a vector is an integer, a matrix a sequence of its columns."""

from collections.abc import Sequence

__all__ = ["apply", "inverse"]


def apply(columns: Sequence[int], vector: int) -> int:
    """Return the sum of the columns where ``vector`` has a bit."""
    total = 0
    for number, column in enumerate(columns):
        if vector >> number & 1:
            total ^= column
    return total


def inverse(columns: Sequence[int]) -> list[int] | None:
    """Return the inverse of a square matrix, or None if there is none (Gauss and Jordan's elimination)."""
    size = len(columns)
    # Above each column stands what it is made of: the inverse, once the columns are unit vectors.
    work = [column | 1 << size + number for number, column in enumerate(columns)]
    for bit in range(size):
        found = next((n for n in range(bit, size) if work[n] >> bit & 1), None)
        if found is None:
            return None
        work[bit], work[found] = work[found], work[bit]
        for n in range(size):
            if n != bit and work[n] >> bit & 1:
                work[n] ^= work[bit]
    return [column >> size for column in work]
