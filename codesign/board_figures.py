"""What boards' designs take, one table of several builds: `python -m codesign.board_figures FOLDER...`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from boards.catalog import BOARDS
from codesign.files import read_bytes
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from spec.presets import PRESETS

__all__ = ["figures_table"]

_KINDS: Final = {"luts": "LUTs", "ffs": "registers", "dsps": "multipliers", "brams": "block RAMs"}
_HEADINGS: Final = (
    *("board", "architecture", *_KINDS.values()),
    *("fmax MHz", "clock MHz", "bitstream bytes", "seconds", "seed"),
)


def figures_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return a table in Markdown, a row for every report of `mixvec build`, and the versions of the tools."""
    lines = [_line(_HEADINGS), _line(["---"] * len(_HEADINGS)), *(_line(_row(report)) for report in reports)]
    tools = {f"{name} {number}" for report in reports for name, number in report["tools"].items()}
    return "\n".join([*lines, "", ", ".join(sorted(tools)), ""])


def _row(report: Mapping[str, Any]) -> list[str]:
    fmax, size = report["fmax_mhz"], report["bitstream_bytes"]
    return [
        f"`{report['board']}`",
        _arch_name(report["arch"]),
        *(f"{report[kind]:,} of {report['available'][kind]:,}" for kind in _KINDS),
        "not routed" if fmax is None else f"{fmax:.1f}",
        f"{report['clock_mhz']:g}",
        "-" if size is None else f"{size:,}",
        f"{report['seconds']:.0f}",
        "-" if fmax is None else str(report["seed"]),
    ]


def _arch_name(fields: Mapping[str, Any]) -> str:
    """The preset that it is, or the shape of the array."""
    arch = ArchConfig(**fields)
    names = [name for name in PRESETS if ArchConfig.load(name) == arch]
    return f"`{names[0]}`" if names else f"C{arch.clusters} L{arch.lanes} T{arch.tokens}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _report(folder: Path) -> dict[str, Any]:
    path = folder / "report.json"
    data = read_bytes(path)
    try:
        report = json.loads(data)
    except ValueError:
        report = None
    if not isinstance(report, dict) or not {"board", "available", "seconds"} <= report.keys():
        raise FormatError(f"{path} is no report of `mixvec build`; build again")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of the folders that `mixvec build` wrote; 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m codesign.board_figures", description="One table of what several boards' designs take."
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="written by `mixvec build`")
    try:
        reports = [_report(folder) for folder in parser.parse_args(arguments).folders]
    except (ConfigError, FormatError) as error:
        print(error, file=sys.stderr)
        return 2
    order = list(BOARDS)
    print(figures_table(sorted(reports, key=lambda report: order.index(report["board"]))), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
