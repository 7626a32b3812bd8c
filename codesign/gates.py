"""The netlist of ECP5 cells against the RTL it came from: `python -m codesign.gates`.

The same jobs run on both; every output word must be the same and move in the same cycle, without pauses
and with some, and the outputs must be PyTorch's.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from boards.place_route import netlist_ecp5
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

__all__ = ["cell_counts", "gate_defects", "main", "netlist"]

_STALLS: Final = ((0.0, 0.0), (0.3, 0.4))
_CELL: Final = re.compile(r"^  ([A-Z][A-Z0-9_]+) (?:#|\\|[a-z_])", re.MULTILINE)


def netlist(arch: ArchConfig) -> str:
    """Return the accelerator after synthesis for ECP5, as Verilog without the cells' models.

    Raises
    ------
    ConfigError
        If yosys is missing or fails.
    """
    with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
        return netlist_ecp5(emit_verilog(arch, family=Family.ECP5), TOP_MODULE, Path(folder))


def cell_counts(text: str) -> dict[str, int]:
    """Return how often every cell stands in a netlist, by name."""
    counts: dict[str, int] = {}
    for name in _CELL.findall(text):
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def gate_defects(
    text: str, jobs: Sequence[Job], arch: ArchConfig, simulator: Simulator = Simulator.VERILATOR
) -> tuple[int, list[str]]:
    """Run ``jobs`` on the netlist ``text`` and on the RTL.

    Returns
    -------
    tuple of int and list of str
        Output words compared, and a sentence for everything in which the netlist differs from the RTL,
        from PyTorch or from the cycle model.
    """
    cells = text + "\n" + ecp5_models(contents="INITVAL_00" in text)
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
            words += gates.words.size
        wrong += [f"{one} (stalls {stall_i:g}, {stall_o:g})" for one in found]
    return words, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every architecture; 1 if a netlist differs anywhere, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.gates", description=__doc__)
    parser.add_argument("archs", nargs="*", default=["tiny", "small"], metavar="ARCH", help="tiny small")
    parser.add_argument("--simulator", choices=list(Simulator), type=Simulator, default=Simulator.VERILATOR)
    parser.add_argument("--jobs", type=count, help="so many of the standard jobs; all")
    options = parser.parse_args(arguments)
    failed = False
    try:
        archs = [ArchConfig.load(name) for name in options.archs]
        for name, arch in zip(options.archs, archs, strict=True):
            text = netlist(arch)
            jobs = standard_jobs(arch)[: options.jobs]
            words, wrong = gate_defects(text, jobs, arch, options.simulator)
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
