"""The payloads of REQUANTIZE and TABLE."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import FormatError
from spec.numbers import OUTPUT_WIDTH
from spec.outputs import (
    OUTPUT_PARAMETERS,
    TABLE_ENTRIES_PER_WORD,
    entries_per_word,
    parameter_words,
    table_words,
    words_per_entry,
)
from sw.bits import pack_fields, unpack_signed

__all__ = ["pack_parameters", "pack_table", "unpack_parameters", "unpack_table"]

_SIGN = 1 << (OUTPUT_WIDTH - 1)


def pack_parameters(
    bias: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64], arch: ArchConfig
) -> bytes:
    """Return the payload of REQUANTIZE for outputs in grouped order."""
    together, size = entries_per_word(arch), words_per_entry(arch) * arch.stream_width // 8
    entries = [
        OUTPUT_PARAMETERS.encode({"bias": its % (2 * _SIGN), "multiplier": factor, "shift": places - 1})
        for its, factor, places in zip(bias.tolist(), multiplier.tolist(), shift.tolist(), strict=True)
    ]
    words = []
    for first in range(0, len(entries), together):
        word = 0
        for entry in reversed(entries[first : first + together]):
            word = word << OUTPUT_PARAMETERS.width | entry
        words.append(word.to_bytes(size, "little"))
    return b"".join(words)


def unpack_parameters(
    payload: bytes, outputs: int, arch: ArchConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return bias, multiplier and shift of so many outputs in grouped order.

    Raises
    ------
    FormatError
        If the payload is not exactly theirs.
    """
    words = parameter_words(arch, outputs)
    if len(payload) * 8 != words * arch.stream_width:
        sent = len(payload) * 8 // arch.stream_width
        raise FormatError(f"the parameters of {outputs} outputs must take {words} words, not {sent}")
    together, size = entries_per_word(arch), words_per_entry(arch) * arch.stream_width // 8
    found: list[dict[str, int]] = []
    for at in range(0, len(payload), size):
        word = int.from_bytes(payload[at : at + size], "little")
        for _ in range(min(together, outputs - len(found))):
            found.append(OUTPUT_PARAMETERS.decode(word & ((1 << OUTPUT_PARAMETERS.width) - 1)))
            word >>= OUTPUT_PARAMETERS.width
        if word:
            raise FormatError("the parameters of the outputs are followed by bits that are not 0")
    columns = {name: np.array([one[name] for one in found], np.int64) for name, _ in OUTPUT_PARAMETERS.widths}
    return (columns["bias"] ^ _SIGN) - _SIGN, columns["multiplier"], columns["shift"] + 1


def pack_table(table: NDArray[np.int8], arch: ArchConfig) -> bytes:
    """Return the payload of TABLE."""
    slots = arch.stream_width // arch.activation_width
    words = np.zeros((table_words(arch), slots), np.int8)
    words[:, :TABLE_ENTRIES_PER_WORD] = table.reshape(-1, TABLE_ENTRIES_PER_WORD)
    return pack_fields(words, arch.activation_width)


def unpack_table(payload: bytes, arch: ArchConfig) -> NDArray[np.int8]:
    """Return the entries of TABLE.

    Raises
    ------
    FormatError
        If the payload is not exactly a table.
    """
    words, width = table_words(arch), arch.activation_width
    if len(payload) * 8 != words * arch.stream_width:
        sent = len(payload) * 8 // arch.stream_width
        raise FormatError(f"a table of {1 << width} entries must take {words} words, not {sent}")
    slots = unpack_signed(payload, width, len(payload) * 8 // width).reshape(words, -1)
    if np.any(slots[:, TABLE_ENTRIES_PER_WORD:]):
        raise FormatError("the table has bits behind its entries that are not 0")
    entries: NDArray[Any] = slots[:, :TABLE_ENTRIES_PER_WORD].reshape(-1)
    return entries.astype(np.int8)
