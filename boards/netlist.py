"""Netlist of yosys, as nextpnr reads it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

__all__ = ["drop_idle_carries"]

_CELL: Final = "CCU2C"
_OPEN: Final = "x"
"""What nextpnr takes for a pin without a net."""


def drop_idle_carries(path: Path) -> int:
    """Leave open, in a netlist for ECP5, carries that nobody takes and those that make no difference.

    nextpnr adds a cell of two lookup tables where a carry chain has a net at its carry in or out, be it a
    constant or without any other pin, and yosys gives even a pin that was left open such a net. A carry in
    makes no difference where the first lookup table is 0 throughout: the chain begins with a carry of 0.

    Parameters
    ----------
    path : Path
        JSON, written anew.

    Returns
    -------
    int
        Pins that were left open.
    """
    netlist = json.loads(path.read_text())
    dropped = sum(_drop(module) for module in netlist["modules"].values())
    path.write_text(json.dumps(netlist))
    return dropped


def _drop(module: dict[str, Any]) -> int:
    """Leave idle carry pins of one module open; return how many."""
    places = [port["bits"] for port in module["ports"].values()]
    places += [bits for cell in module["cells"].values() for bits in cell.get("connections", {}).values()]
    uses = Counter(bit for bits in places for bit in bits)
    dropped = 0
    for cell in module["cells"].values():
        if cell["type"] != _CELL:
            continue
        pins = cell["connections"]
        idle = [uses[bit] for bit in pins["COUT"]] == [1]
        blind = pins["CIN"] == ["0"] and int(cell["parameters"]["INIT0"], 2) == 0
        pins |= {"COUT": [_OPEN]} if idle else {}
        pins |= {"CIN": [_OPEN]} if blind else {}
        dropped += idle + blind
    return dropped
