"""`python -m codesign.mutation`: does a check notice mutants of the generated Verilog, or of the software?

`rtl` makes and runs them; `sw` counts those that `mutmut run` has run.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codesign.console import note
from codesign.count_argument import count
from codesign.files import output_file
from codesign.mutation.campaign import Outcome, run_campaign
from codesign.mutation.netlist import mutate
from codesign.mutation.programs import programs
from codesign.mutation.report import ENOUGH, load_reviews, report, report_lines
from codesign.mutation.software import (
    load_software_reviews,
    read_mutants,
    software_lines,
    software_report,
)
from codesign.regression.architectures import EVERYTHING
from hw.emit import TOP_MODULE, emit_verilog
from sim.simulator import SimulatorError
from sim.stream_run import build_stream
from spec.arch import ArchConfig
from spec.errors import ConfigError


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if enough mutants are killed and no review is refuted, 1 if not, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.mutation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    rtl = commands.add_parser("rtl", help="mutate the Verilog of one architecture")
    rtl.add_argument("--mutants", type=count, default=600, help="mutants to draw (600)")
    rtl.add_argument("--arch", help="a preset or JSON file; without it a small one that has everything")
    rtl.add_argument("--scenarios", type=int, default=8, help="random scenarios for what is left (8)")
    rtl.add_argument("--seed", type=int, default=1, help="of the choice of mutants (1)")
    rtl.add_argument("--workers", type=count, default=2, help="mutants at the same time (2)")
    rtl.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="netlists and report")
    rtl.set_defaults(run=_rtl)
    software = commands.add_parser("sw", help="count the mutants of the software that `mutmut run` has run")
    software.add_argument("folder", type=Path, nargs="?", default=Path("mutants"), help="mutmut's (mutants)")
    software.set_defaults(run=_software)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except (ConfigError, SimulatorError, OSError) as error:
        note(str(error))
        return 2
    return status


def _rtl(chosen: argparse.Namespace) -> int:
    arch = EVERYTHING if chosen.arch is None else ArchConfig.load(chosen.arch)
    chosen.output.mkdir(parents=True, exist_ok=True)
    netlist = mutate(
        emit_verilog(arch),
        TOP_MODULE,
        arch.stream_width,
        count=chosen.mutants,
        seed=chosen.seed,
        folder=chosen.output,
    )
    note(f"{len(netlist.mutants)} mutants in one netlist; it is being compiled")
    model = build_stream(netlist.verilog, arch.stream_width)
    found: dict[str, Any] = {}
    # Bounds that make a mutant equivalent on one architecture may be others on the next.
    reviews = load_reviews() if chosen.arch is None else {}

    def step(name: str, outcomes: Mapping[int, Outcome]) -> None:
        found.update(report(netlist.mutants, outcomes, reviews))
        with output_file(chosen.output / "mutants.json") as file:
            file.write_text(json.dumps(found, indent=1) + "\n")
        note(f"{name}: {len(netlist.mutants) - found['killed']} left")

    run_campaign(
        model,
        arch.stream_width,
        len(netlist.mutants),
        programs(arch, chosen.scenarios),
        workers=chosen.workers,
        progress=step,
    )
    print("\n".join(report_lines(found)))
    return 0 if found["score"] >= ENOUGH and not found["refuted"] else 1


def _software(chosen: argparse.Namespace) -> int:
    found = software_report(read_mutants(chosen.folder), load_software_reviews())
    print("\n".join(software_lines(found)))
    return 0 if found["score"] >= ENOUGH and not found["refuted"] else 1


if __name__ == "__main__":
    sys.exit(main())
