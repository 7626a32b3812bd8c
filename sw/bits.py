"""Fields of equal width packed from bit 0 up without gaps, as all payloads are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_fields", "pad_to_word", "unpack_fields", "unpack_signed"]


def pack_fields(values: NDArray[Any], width: int) -> bytes:
    """Return the low ``width`` bits (1-32) of every value, first value lowest, padded to a byte."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if width in (8, 16, 32):
        return flat.astype(f"<i{width // 8}", copy=False).tobytes()
    shifts = np.arange(width, dtype=np.int64)
    fields = (flat.astype(np.int64)[:, None] >> shifts) & 1
    return np.packbits(fields.astype(np.uint8), bitorder="little").tobytes()


def unpack_fields(data: bytes, width: int, count: int) -> NDArray[np.int64]:
    """Return the first ``count`` unsigned fields of ``width`` bits; ``data`` must hold them."""
    if width in (8, 16, 32):
        return np.frombuffer(data, f"<u{width // 8}", count).astype(np.int64)
    used = np.frombuffer(data, np.uint8, (count * width + 7) // 8)
    bits = np.unpackbits(used, count=count * width, bitorder="little").reshape(count, width)
    fields = np.zeros(count, np.int64)
    for bit in range(width):
        fields |= bits[:, bit].astype(np.int64) << bit
    return fields


def unpack_signed(data: bytes, width: int, count: int) -> NDArray[np.int8]:
    """Return the first ``count`` two's complement fields of ``width`` (at most 8) bits."""
    if width == 8:
        return np.frombuffer(data, np.int8, count)
    sign = 1 << (width - 1)
    return ((unpack_fields(data, width, count) ^ sign) - sign).astype(np.int8)


def pad_to_word(data: bytes, word_bytes: int) -> bytes:
    """Return ``data`` with zero bytes up to a whole word."""
    return data + bytes(-len(data) % word_bytes)
