"""Buses that the accelerator is generated for."""

from enum import StrEnum

__all__ = ["Bus"]


class Bus(StrEnum):
    """What stands around the core."""

    STREAM = "stream"
    """The core alone: two streams."""
    AXI = "axi"
    """AXI4-Stream in and out, AXI4-Lite registers."""
    WISHBONE = "wishbone"
    """Wishbone B4 classic: registers and a window to the streams."""
