"""FPGA families whose primitives the array can place, and how a platform names them."""

from enum import StrEnum

__all__ = ["Family", "family_of"]

_DEVICES = {"LFE5": "ecp5", "GW1N": "gowin", "iCE40UP": "ice40"}
"""Start of a device's name, family."""


class Family(StrEnum):
    """Where multipliers and block memories go. ``GENERIC`` leaves the choice to synthesis.

    ``GOWIN`` only tells it which memories are worth a block RAM. ``ICE40``, of the UltraPlus devices, places
    multipliers, and asks for block RAMs too.
    """

    GENERIC = "generic"
    ECP5 = "ecp5"
    GOWIN = "gowin"
    ICE40 = "ice40"


def family_of(platform: object) -> Family:
    """Return the family that ``elaborate()`` is to build for.

    Parameters
    ----------
    platform : object
        A ``Family``, an Amaranth platform with the name of its ``device``, or None.
    """
    if isinstance(platform, Family):
        return platform
    device = str(getattr(platform, "device", ""))
    for start, family in _DEVICES.items():
        if device.startswith(start):
            return Family(family)
    return Family.GENERIC
