"""What an accelerator takes of an FPGA."""

from dataclasses import dataclass

__all__ = ["Cost"]


@dataclass(frozen=True)
class Cost:
    """What an accelerator behind its eight-bit link takes of an ECP5, and how fast it is.

    Parameters
    ----------
    luts, ffs : float
        LUT4 (carry and LUT RAM included) and registers, from the fit.
    dsps, brams : int
        Multipliers and block RAMs, counted from the architecture. Exact, unless a memory is deeper than a
        block RAM.
    fmax_mhz : float
        After routing, speed grade 6; from the fit.
    """

    luts: float
    ffs: float
    dsps: int
    brams: int
    fmax_mhz: float
