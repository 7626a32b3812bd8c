"""Netlist of yosys, as nextpnr reads it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

__all__ = ["former_name", "tidy_netlist"]

_CARRY: Final = "CCU2C"
_REGISTER: Final = "TRELLIS_FF"
_TABLE: Final = "LUT4"
_OPEN: Final = "x"
"""What nextpnr takes for a pin without a net."""
_INPUTS: Final = "ABCD"
_LAST: Final = "~"
"""Behind every letter in the order of names."""

Cells = dict[str, dict[str, Any]]


def tidy_netlist(path: Path) -> int:
    """Take out of a netlist for ECP5 what yosys leaves in it and the device does without.

    Carries that nobody takes and those that make no difference are left open. nextpnr adds a cell of two
    lookup tables where a carry chain has a net at its carry in or out, be it a constant or without any other
    pin, and yosys gives even a pin that was left open such a net. A carry in makes no difference where the
    first lookup table is 0 throughout: the chain begins with a carry that the cell makes itself.

    Registers invert what clears or sets them themselves. yosys knows that input only as active when 1, and
    puts a lookup table in front of it.

    Registers with a clear are given names by which nextpnr places them first, those of one clear in a row.
    The eight registers of a tile have one clear between them or none, and nextpnr takes cells one by one, in
    the reverse order of their names, to the nearest place that allows them: in any other order the last ones
    of a clear find the tiles around taken, and go to where there is room, half the device away.

    Parameters
    ----------
    path : Path
        JSON, written anew.

    Returns
    -------
    int
        Carry pins that were left open, lookup tables that went, and registers that were named anew.
    """
    netlist = json.loads(path.read_text())
    changes = 0
    for module in netlist["modules"].values():
        changes += _drop_carries(module) + _drop_inverters(module) + _order_registers(module)
    path.write_text(json.dumps(netlist))
    return changes


def former_name(name: str) -> str:
    """Return the name that a cell had before ``tidy_netlist``."""
    return name.partition(".")[2] if name.startswith(_LAST) else name


def _drop_carries(module: dict[str, Any]) -> int:
    """Leave idle carry pins of one module open; return how many."""
    uses = _uses(module)
    dropped = 0
    for cell in module["cells"].values():
        if cell["type"] != _CARRY:
            continue
        pins = cell["connections"]
        idle = [uses[bit] for bit in pins["COUT"]] == [1]
        shown = "S0" in pins and uses[pins["S0"][0]] > 1
        blind = pins["CIN"] == ["0"] and _blind(cell) and not shown
        pins |= {"COUT": [_OPEN]} if idle else {}
        pins |= {"CIN": [_OPEN]} if blind else {}
        dropped += idle + blind
    return dropped


def _blind(cell: dict[str, Any]) -> bool:
    """Whether the first lookup table of a carry cell is 0 whatever comes in, its constants given."""
    pins = [cell["connections"].get(f"{pin}0", ["0"])[0] for pin in _INPUTS]
    ones = sum(1 << place for place, bit in enumerate(pins) if bit == "1")
    nets = sum(1 << place for place, bit in enumerate(pins) if isinstance(bit, int))
    table = int(cell["parameters"]["INIT0"], 2)
    return not any(table >> place & 1 for place in range(1 << len(pins)) if place & ~nets == ones)


def _drop_inverters(module: dict[str, Any]) -> int:
    """Let registers invert their clear; return how many lookup tables nothing else takes."""
    cells: Cells = module["cells"]
    inverted = {
        bit: (name, source)
        for name, cell in cells.items()
        if cell["type"] == _TABLE and (source := _inverts(cell)) is not None
        for bit in cell["connections"]["Z"]
    }
    touched = set()
    for cell in cells.values():
        if cell["type"] != _REGISTER or cell["parameters"].get("LSRMUX") != "LSR":
            continue
        found = inverted.get(cell["connections"]["LSR"][0])
        if found is not None:
            name, source = found
            cell["parameters"]["LSRMUX"] = "INV"
            cell["connections"]["LSR"] = [source]
            touched.add(name)
    uses = _uses(module)
    idle = [name for name in sorted(touched) if uses[cells[name]["connections"]["Z"][0]] == 1]
    for name in idle:
        del cells[name]
    return len(idle)


def _order_registers(module: dict[str, Any]) -> int:
    """Rename the registers of a module that have a clear, so that they come last; return how many."""
    cells: Cells = module["cells"]
    names = {}
    for name, cell in cells.items():
        if cell["type"] == _REGISTER and not name.startswith(_LAST):
            clear = cell["connections"].get("LSR", ["0"])[0]
            if isinstance(clear, int):
                names[name] = f"{_LAST}{clear:08d}{cell['parameters']['LSRMUX']}.{name}"
    module["cells"] = {names.get(name, name): cell for name, cell in cells.items()}
    return len(names)


def _inverts(cell: dict[str, Any]) -> int | None:
    """Return the one net that a lookup table inverts, or None if it does anything else."""
    pins = {pin: cell["connections"].get(pin, ["0"])[0] for pin in _INPUTS}
    nets = [(number, bit) for number, bit in enumerate(pins.values()) if isinstance(bit, int)]
    if len(nets) != 1:
        return None
    ((number, source),) = nets
    rest = sum(1 << place for place, bit in enumerate(pins.values()) if bit == "1")
    table = int(cell["parameters"]["INIT"], 2)
    return source if table >> rest & 1 and not table >> (rest | 1 << number) & 1 else None


def _uses(module: dict[str, Any]) -> Counter[int | str]:
    """Count the pins on every net of a module, ports of the module included."""
    places = [port["bits"] for port in module["ports"].values()]
    places += [bits for cell in module["cells"].values() for bits in cell.get("connections", {}).values()]
    return Counter(bit for bits in places for bit in bits)
