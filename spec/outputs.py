"""The output stage: what BEGIN says of a layer's outputs, and how their parameters travel.

A raw layer answers with its psums. A requantized one answers with *codes*, integers of the activation
format. Of the psum of one output, with ``bias``, ``multiplier`` and ``shift`` of its own,

    accumulator = psum + bias                                     32 bits, never exceeded
    rounded     = (accumulator * multiplier + 2 ** (shift - 1)) >> shift
    code        = clamp(rounded + zero_point, low, high)

where the product is exact, ``>>`` rounds down, and ``low`` to ``high`` is the range of a signed number of
``activation_width`` bits; with ReLU ``low`` is the zero point. So there is one rounding, to the nearest
integer, half up. With a table the answer is its entry number ``code``, taken as an unsigned number of
``activation_width`` bits: entry 0 belongs to code 0, the last one to code -1.

One rounding of the exact product is what a real-valued scale means: the usual second rounding (a product of
32 bits by 32 bits, rounded to its upper half and then shifted) moves results that are near a tie, and saves
no bit of the multiplier.
"""

from typing import Final

from spec.arch import ArchConfig
from spec.layout import Layout
from spec.numbers import OUTPUT_WIDTH

__all__ = [
    "MAX_SHIFT",
    "MODE",
    "MULTIPLIER_WIDTH",
    "OUTPUT_PARAMETERS",
    "TABLE_ENTRIES_PER_WORD",
    "entries_per_word",
    "parameter_words",
    "stage_holds",
    "table_words",
    "words_per_entry",
]

MODE: Final = Layout("mode of BEGIN", (("horizontal", 1), ("requantize", 1), ("relu", 1), ("table", 1)))
"""The ``cluster`` field of BEGIN; ``relu`` and ``table`` mean nothing in a raw layer."""

MULTIPLIER_WIDTH: Final = 31
OUTPUT_PARAMETERS: Final = Layout(
    "output parameters", (("bias", OUTPUT_WIDTH), ("multiplier", MULTIPLIER_WIDTH), ("shift", 6))
)
"""An entry of REQUANTIZE: ``bias`` in two's complement, ``shift`` less one."""
MAX_SHIFT: Final = 63
"""Largest shift; the smallest is 1."""

TABLE_ENTRIES_PER_WORD: Final = 4
"""Entries in a word of TABLE, from bit 0 up: as many as one block RAM takes at once."""


def stage_holds(rows: int, arch: ArchConfig) -> bool:
    """Whether the parameters of a layer of ``rows`` outputs fit on chip; never without an output stage."""
    return -(-rows // arch.segment) <= arch.output_blocks


def entries_per_word(arch: ArchConfig) -> int:
    """Entries in one word of REQUANTIZE, from bit 0 up: a power of two, at most L, one for each lane."""
    fitting = max(arch.stream_width // OUTPUT_PARAMETERS.width, 1)
    return min(arch.lanes, 1 << (fitting.bit_length() - 1))


def words_per_entry(arch: ArchConfig) -> int:
    """Words that one entry takes, its low bits in the first: 2 if W is 64, else 1."""
    return -(-OUTPUT_PARAMETERS.width // arch.stream_width)


def parameter_words(arch: ArchConfig, outputs: int) -> int:
    """Payload words of REQUANTIZE with the entries of so many outputs."""
    return -(-outputs // entries_per_word(arch)) * words_per_entry(arch)


def table_words(arch: ArchConfig) -> int:
    """Payload words of TABLE: an entry for every code."""
    return (1 << arch.activation_width) // TABLE_ENTRIES_PER_WORD
