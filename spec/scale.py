"""The scale of an output: a power of two in sixteenth steps, one byte each.

``scale = 2 ** ((base - code) / 16)``, rounded to float32, with one ``base`` per layer and a ``code`` from
0 to 255 per output. Rounding a scale up to the next step costs an output 2 % of its integer range on the
mean, and sixteen octaves below the largest scale of a layer nothing is left to resolve.
"""

import math
import struct
from typing import Final

__all__ = ["MAX_BASE", "MAX_CODE", "MAX_SMOOTHING", "MIN_BASE", "STEPS_PER_OCTAVE", "scale_value"]

STEPS_PER_OCTAVE: Final = 16
MAX_CODE: Final = 255
MIN_BASE: Final = -126 * STEPS_PER_OCTAVE + MAX_CODE
"""Smallest base: every code is then still a normal float32."""
MAX_BASE: Final = 127 * STEPS_PER_OCTAVE
MAX_SMOOTHING: Final = 30
"""Largest magnitude of an input's smoothing exponent: far from where float32 weights overflow."""

# Mantissas in float32, so that every scale is a float32 exactly, on every machine.
_MANTISSAS: Final = tuple(
    struct.unpack("<f", struct.pack("<f", 2.0 ** (step / STEPS_PER_OCTAVE)))[0]
    for step in range(STEPS_PER_OCTAVE)
)


def scale_value(steps: int) -> float:
    """Return the scale ``2 ** (steps / 16)`` as the float32 number that it stands for."""
    octave, step = divmod(steps, STEPS_PER_OCTAVE)
    return math.ldexp(_MANTISSAS[step], octave)
