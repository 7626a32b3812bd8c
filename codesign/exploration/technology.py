"""What one operation costs in energy, as published."""

from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from spec.errors import ConfigError

__all__ = ["TECHNOLOGIES", "WORD_BITS", "Technology", "find_technology"]

_KIB: Final = 1024
WORD_BITS: Final = 64
"""Bits of an access whose energy the tables give."""


@dataclass(frozen=True)
class Technology:
    """What operations cost, in picojoules.

    Parameters
    ----------
    name : str
    source : str
        Where the figures are from.
    multiply : float
        Of two 8-bit integers; other widths in proportion to their product.
    add : float
        Of two 32-bit integers; other widths in proportion.
    sram : tuple of (int, float)
        Bytes of a memory, and one access to 64 bits of it. Between them the logarithms are interpolated;
        below the first the energy goes with the square root of the size, as the length of its lines does.
    dram : float
        64 bits to or from external memory.
    """

    name: str
    source: str
    multiply: float
    add: float
    sram: tuple[tuple[int, float], ...]
    dram: float

    def access(self, size: float) -> float:
        """Return what one bit read or written costs in an on-chip memory of ``size`` bytes."""
        first, last = self.sram[0], self.sram[-1]
        if size <= first[0]:
            return first[1] * sqrt(size / first[0]) / WORD_BITS
        for low, high in zip(self.sram, self.sram[1:], strict=False):
            if size <= high[0] or high is last:
                slope = log(high[1] / low[1]) / log(high[0] / low[0])
                return float(low[1] * (size / low[0]) ** slope) / WORD_BITS
        raise AssertionError


TECHNOLOGIES: Final = {
    one.name: one
    for one in (
        Technology(
            "45nm",
            "Horowitz, Computing's energy problem, ISSCC 2014; DRAM the lower of its two figures",
            multiply=0.2,
            add=0.1,
            sram=((8 * _KIB, 10.0), (32 * _KIB, 20.0), (1024 * _KIB, 100.0)),
            dram=1300.0,
        ),
        Technology(
            "7nm",
            "Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021; DDR4",
            multiply=0.07,
            add=0.03,
            sram=((8 * _KIB, 7.5), (32 * _KIB, 8.5), (1024 * _KIB, 14.0)),
            dram=1300.0,
        ),
    )
}


def find_technology(name: str) -> Technology:
    """Return the technology called ``name``.

    Raises
    ------
    ConfigError
        If there is none; names those that there are.
    """
    if name not in TECHNOLOGIES:
        raise ConfigError(f"`--technology` must be one of {', '.join(TECHNOLOGIES)}, not {name}")
    return TECHNOLOGIES[name]
