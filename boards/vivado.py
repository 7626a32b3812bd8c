"""A Vivado project, checked as far as that goes without Vivado."""

import json
from pathlib import Path
from typing import Final

from boards.catalog import BoardFacts
from boards.flow import SYNTHESIS_LOG, SYNTHESIZER, NoFitError, run_logged
from spec.errors import ConfigError

__all__ = ["CELLS", "CHECK", "check_project"]

CHECK: Final = "read_verilog mixvec.v top.v; synth_xilinx -top top; tee -q -o cells.json stat -json"
"""Commands of yosys."""
_LIMITS: Final = {
    "XC7A35T": {"LUT": 20_800, "FF": 41_600, "DSP48E1": 90, "RAMB36E1": 50},
    "XC7Z020": {"LUT": 53_200, "FF": 106_400, "DSP48E1": 220, "RAMB36E1": 140},
}
"""What the devices hold, by Xilinx's data sheets DS180 and DS190."""
CELLS: Final = {"luts": "LUT", "ffs": "FF", "dsps": "DSP48E1", "brams": "RAMB36E1"}
"""What counts as LUTs, registers, multipliers and block RAMs, those of 36 Kibit."""
_KINDS: Final = {
    "luts": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D"),
    "ffs": ("FDRE", "FDSE", "FDCE", "FDPE"),
    "dsps": ("DSP48E1",),
}


def check_project(folder: Path, facts: BoardFacts) -> dict[str, tuple[int, int]]:
    """Synthesize a project with yosys; return used and available by cell, as Vivado counts them.

    Raises
    ------
    NoFitError
        If the device has fewer.
    ConfigError
        If it is not complete: yosys refuses it, or leaves a cell that the device has not.
    """
    run_logged(SYNTHESIZER, ("-q", "-p", CHECK), folder, SYNTHESIS_LOG)
    report = json.loads((folder / "cells.json").read_text())
    cells: dict[str, int] = report["design"]["num_cells_by_type"]
    left = sorted(name for name in cells if name.startswith(("$", "mixvec")) and name != "$scopeinfo")
    if left:
        raise ConfigError(f"synthesis leaves cells that no device has: {', '.join(left)}")
    taken = {CELLS[kind]: sum(cells.get(name, 0) for name in names) for kind, names in _KINDS.items()}
    # Two of 18 Kibit share the place of one of 36.
    taken["RAMB36E1"] = cells.get("RAMB36E1", 0) + -(-cells.get("RAMB18E1", 0) // 2)
    used = {cell: (taken[cell], limit) for cell, limit in _LIMITS[facts.device].items()}
    if any(count > limit for count, limit in used.values()):
        raise NoFitError(used)
    return used
