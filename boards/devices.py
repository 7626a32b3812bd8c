"""What the FPGAs of the supported boards hold."""

from dataclasses import dataclass
from typing import Final

from spec.errors import ConfigError

__all__ = ["DEVICES", "Device", "find_device"]


@dataclass(frozen=True)
class Device:
    """Resources of an FPGA, as nextpnr counts them.

    Parameters
    ----------
    name : str
    luts, ffs : int
        LUT4 and registers.
    dsps : int
        Multipliers of 18 x 18.
    brams : int
        Block RAMs of 18 Kibit.
    """

    name: str
    luts: int
    ffs: int
    dsps: int
    brams: int


DEVICES: Final = {
    "ulx3s": Device("ECP5-85F", luts=83640, ffs=83640, dsps=156, brams=208),
    "orangecrab": Device("ECP5-25F", luts=24288, ffs=24288, dsps=28, brams=56),
}
"""By name of the board."""


def find_device(board: str) -> Device:
    """Return the FPGA of a board.

    Raises
    ------
    ConfigError
        If the board is unknown; lists the known ones.
    """
    if board not in DEVICES:
        raise ConfigError(f"board {board} is unknown; known are {', '.join(DEVICES)}")
    return DEVICES[board]
