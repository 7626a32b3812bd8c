"""What nextpnr leaves undone on Gowin: counting the places of lone registers, and carries from logic."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["LUT_PLACES", "LUT_RAM_PLACES", "lut_places", "mend_carries"]

LUT_PLACES: Final = 8640 * 9 // 10
"""Of a GW1NR-9, as many as nextpnr's placer can fill: at 96 % it did not end one pass."""
LUT_RAM_PLACES: Final = 8
"""Those of one RAM16SDP4, which takes a whole tile."""
_FAULTY: Final = 0x505A
_MENDED: Final = 0x000A
"""Lookup tables of an ALU. Bits 12 to 15: whether it passes a carry on; bits 0 to 3: its own carry if not."""


def lut_places(netlist: Path) -> int:
    """Return how many places of LUTs the cells of a netlist take.

    A register can stand beside the LUT or adder that drives it. Any other takes a place of a LUT, through
    which its input comes; nextpnr does not count these, and its placer looks for places for ever.
    """
    cells = _cells(json.loads(netlist.read_text()))
    drivers: dict[int | str, str] = {}
    for name, cell in cells.items():
        if _is_logic(cell["type"]):
            for port in ("F", "SUM"):
                drivers |= dict.fromkeys(cell["connections"].get(port, ()), name)
    beside, taken = set(), 0
    for cell in cells.values():
        kind = cell["type"]
        if kind.startswith("DFF"):
            (bit,) = cell["connections"]["D"]
            driver = drivers.get(bit)
            if driver is None or driver in beside:
                taken += 1
            else:
                beside.add(driver)
        elif _is_logic(kind):
            taken += 1
        elif kind == "RAM16SDP4":
            taken += LUT_RAM_PLACES
    return taken


def mend_carries(placed: Path) -> None:
    """Make carries that come from logic what they are, in a design that nextpnr has placed and routed.

    nextpnr up to 0.11.1 feeds such a carry to the chain by an ALU whose carry is that or its own carry in, to
    which nothing is connected: that of the cells to its left (nextpnr's issue 1799).
    """
    design = json.loads(placed.read_text())
    for cell in _cells(design).values():
        parameters = cell["parameters"]
        from_logic = str(parameters.get("CIN_NETTYPE", "")).strip() == "LOGIC"
        if from_logic and int(parameters["RAW_ALU_LUT"], 2) == _FAULTY:
            parameters["RAW_ALU_LUT"] = f"{_MENDED:016b}"
    placed.write_text(json.dumps(design))


def _is_logic(kind: str) -> bool:
    return kind.startswith("LUT") or kind == "ALU"


def _cells(design: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = design["modules"]["top"]["cells"]
    return found
