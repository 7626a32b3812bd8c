"""The boards that bitstreams and twins are made for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hw.family import Family
from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.link import Identity

__all__ = ["BOARDS", "BoardFacts", "Toolchain", "find_board"]


class Toolchain(StrEnum):
    """Who makes a bitstream."""

    ICE40 = "ice40"
    ECP5 = "ecp5"
    GOWIN = "gowin"
    VIVADO = "vivado"


@dataclass(frozen=True)
class BoardFacts:
    """One board.

    Parameters
    ----------
    name : str
    device : str
        Its FPGA.
    platform : str
        Class of ``amaranth_boards`` that knows its pins: module and name.
    toolchain : Toolchain
    family : Family
        Whose primitives are placed.
    arch : str
        Preset that is built unless another is asked for.
    clock_mhz : float
        Of the design.
    room : int
        Bytes of the link's queue in either direction.
    serial : str
        What the host's port is connected to.
    uart : tuple of str, optional
        Connector, its pins for the line to the board and from it, and what its I/O standard is called, where
        the board has no UART of its own.
    one_led : bool
        Two colours of one LED show the state, not two LEDs.
    """

    name: str
    device: str
    platform: tuple[str, str]
    toolchain: Toolchain
    family: Family
    arch: str
    clock_mhz: float
    room: int
    serial: str
    uart: tuple[str, str, str, str] | None = None
    one_led: bool = False

    def identity(self, arch: ArchConfig | None = None) -> Identity:
        """Return what the board says of itself with ``arch``, or with its default."""
        return Identity(self.name, arch or ArchConfig.load(self.arch), self.room, self.room)


BOARDS: Final = {
    board.name: board
    for board in (
        BoardFacts(
            name="icebreaker",
            device="iCE40 UP5K",
            platform=("icebreaker", "ICEBreakerPlatform"),
            toolchain=Toolchain.ICE40,
            family=Family.ICE40,
            arch="icebreaker",
            clock_mhz=12,
            room=512,
            serial="USB (FT2232H, second channel)",
        ),
        BoardFacts(
            name="orangecrab",
            device="ECP5-25F",
            platform=("orangecrab_r0_2", "OrangeCrabR0_2Platform"),
            toolchain=Toolchain.ECP5,
            family=Family.ECP5,
            arch="small",
            clock_mhz=48,
            room=2048,
            serial="pins 0 (to the board) and 1 of its header, 3.3 V",
            uart=("io", "0", "1", "IO_TYPE"),
            one_led=True,
        ),
        BoardFacts(
            name="ulx3s",
            device="ECP5-85F",
            platform=("ulx3s", "ULX3S_85F_Platform"),
            toolchain=Toolchain.ECP5,
            family=Family.ECP5,
            arch="ulx3s",
            clock_mhz=50,
            room=2048,
            serial="USB 1 (FT231X)",
        ),
        BoardFacts(
            name="tang_nano_9k",
            device="GW1NR-9",
            platform=("tang_nano_9k", "TangNano9kPlatform"),
            toolchain=Toolchain.GOWIN,
            family=Family.GOWIN,
            arch="tang_nano_9k",
            clock_mhz=27,
            room=2048,
            serial="USB (BL702)",
        ),
        BoardFacts(
            name="arty_a7",
            device="XC7A35T",
            platform=("arty_a7", "ArtyA7_35Platform"),
            toolchain=Toolchain.VIVADO,
            family=Family.GENERIC,
            arch="small",
            clock_mhz=100,
            room=2048,
            serial="USB (FT2232HQ)",
        ),
        BoardFacts(
            name="arty_z7",
            device="XC7Z020",
            platform=("arty_z7", "ArtyZ720Platform"),
            toolchain=Toolchain.VIVADO,
            family=Family.GENERIC,
            arch="small",
            clock_mhz=125,
            room=2048,
            serial="pins 1 (to the board) and 2 of connector JA, 3.3 V",
            uart=("pmod", "1", "2", "IOSTANDARD"),
        ),
    )
}
"""By name."""


def find_board(name: str) -> BoardFacts:
    """Return the facts of a board.

    Raises
    ------
    ConfigError
        If it is unknown; lists the known ones.
    """
    if name not in BOARDS:
        raise ConfigError(f"board {name} is unknown; known are {', '.join(BOARDS)}")
    return BOARDS[name]
