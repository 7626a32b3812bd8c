"""Words of a stream as arrays of 32-bit pieces, the shortest word that there is."""

import numpy as np
import numpy.typing as npt

__all__ = ["PIECE_WIDTH", "Words", "check_width", "words_of"]

PIECE_WIDTH = 32
"""Bits of a piece."""

Words = npt.NDArray[np.uint32]
"""Shape (n, stream_width // PIECE_WIDTH); column 0 is the least significant."""


def check_width(stream_width: int) -> None:
    """Refuse a width that is no whole number of pieces.

    Raises
    ------
    ValueError
    """
    if stream_width < PIECE_WIDTH or stream_width % PIECE_WIDTH:
        raise ValueError(f"stream_width must be a multiple of {PIECE_WIDTH}, not {stream_width}")


def words_of(stream: bytes, stream_width: int) -> Words:
    """Return the words of ``stream``, whose bytes are in little-endian order."""
    pieces = np.frombuffer(stream, "<u4").astype(np.uint32, copy=False)
    return pieces.reshape(-1, stream_width // PIECE_WIDTH)
