"""Twins of boards, ready for a host."""

from boards.board_core import BoardCore
from boards.catalog import find_board
from codesign.console import waiting
from codesign.verilog import board_verilog
from sim.simulator import SimulatorError
from sim.twin import TWIN_DIVISOR, Twin
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["TWIN_BAUD", "TWIN_TIMEOUT", "start_twin"]

TWIN_BAUD = 100_000
"""Bits per second that a simulated line makes at least."""
TWIN_TIMEOUT = 1.0
"""Seconds without a reply, beyond those of its bytes: the machine may be busy."""


def start_twin(board: str, arch: ArchConfig | None = None, *, once: bool = True) -> Twin:
    """Build the twin of ``board`` with ``arch``, or with its default, and start it.

    Raises
    ------
    ConfigError
        If the board is unknown, or the simulator is missing or breaks down.
    """
    identity = find_board(board).identity(arch)
    with waiting("writing Verilog"):
        verilog = board_verilog(identity, TWIN_DIVISOR)
    try:
        with waiting(f"building the twin of {board}, once per architecture"):
            return Twin(verilog, top=BoardCore.MODULE, once=once)
    except SimulatorError as error:
        raise ConfigError(str(error)) from None
