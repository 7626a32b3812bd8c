"""What the FPGAs of the supported boards hold."""

from dataclasses import dataclass
from typing import Final

from boards.catalog import BOARDS
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
    device.name: device
    for device in (
        Device("ECP5-85F", luts=83640, ffs=83640, dsps=156, brams=208),
        Device("ECP5-25F", luts=24288, ffs=24288, dsps=28, brams=56),
    )
}
"""By name of the FPGA."""


def find_device(board: str) -> Device:
    """Return the FPGA of a board.

    Raises
    ------
    ConfigError
        If the board is unknown, or what its FPGA holds; lists the boards of which it is known.
    """
    name = BOARDS[board].device if board in BOARDS else None
    if name not in DEVICES:
        known = ", ".join(one.name for one in BOARDS.values() if one.device in DEVICES)
        what = "unknown" if name is None else f"a {name}, of which no cost is known"
        raise ConfigError(f"board {board} is {what}; known are {known}")
    return DEVICES[name]
