"""Measure what the random jobs reach: ``python -m codesign.coverage -o DIR``."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path

from codesign.console import note, print_json, print_tables, progress
from codesign.coverage.architectures import COVERED
from codesign.coverage.collection import STEPS, Collection, collect
from codesign.coverage.measure import measure
from codesign.coverage.page import render_page
from codesign.coverage.points import Kind
from codesign.coverage.table import as_json, bin_table, component_table
from codesign.files import output_folder
from codesign.processes import process_pool
from sim.simulator import SimulatorError
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError

GOALS = {Kind.LINE: 0.98, Kind.BRANCH: 0.98, Kind.TOGGLE: 0.95}
"""Shares of points that must be reached; of bins all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write ``coverage.html``; 1 if a goal is missed or an answer was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m codesign.coverage", description="What the random jobs reach of the accelerator."
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--arch",
        action="append",
        metavar="ARCH",
        help=f"one of {', '.join(COVERED)}, a preset or a JSON file",
    )
    parser.add_argument("--runs", type=_count, default=4, help="random scenarios for each architecture")
    parser.add_argument("--workers", type=_count, default=1, help="processes")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args(arguments)
    try:
        return _measure(options)
    except (ConfigError, FormatError, SimulatorError) as error:
        note(f"error: {error}")
        return 2


def _measure(options: argparse.Namespace) -> int:
    archs = {name: _arch(name) for name in options.arch or COVERED}
    with output_folder(options.output) as folder:
        found = measure(_collect(archs, range(options.runs), options.workers))
        page = render_page(found, {name: arch.to_json() for name, arch in archs.items()})
        (folder / "coverage.html").write_text(page)
    if options.json:
        print_json(as_json(found))
    else:
        print_tables(component_table(found), bin_table(found))
        print(options.output / "coverage.html")
    for defect in found.defects:
        note(defect)
    short = [kind for kind, goal in GOALS.items() if found.total(kind).ratio < goal]
    for kind in short:
        note(f"{kind} coverage is below its goal of {GOALS[kind]:.0%}")
    missed = [one for one in found.bins if not one.count]
    for one in missed:
        note(f"no job was in {one.cross}: {one.name}")
    for exclusion in found.unused:
        note(f"the exclusion {exclusion.what} meant no point: delete it")
    return 1 if found.defects or short or missed or found.unused else 0


def _collect(archs: dict[str, ArchConfig], seeds: Sequence[int], workers: int) -> list[Collection]:
    """Run every architecture, several at a time."""
    with progress("coverage", len(archs) * (STEPS + len(seeds)), "runs") as advance:
        if workers == 1 or len(archs) == 1:
            return [collect(name, arch, seeds, lambda: advance(1)) for name, arch in archs.items()]
        done: dict[str, Collection] = {}
        with process_pool(min(workers, len(archs))) as pool:
            waiting = [pool.submit(collect, name, arch, seeds) for name, arch in archs.items()]
            for future in as_completed(waiting):
                done[future.result().name] = future.result()
                advance(STEPS + len(seeds))
        return [done[name] for name in archs]


def _arch(name: str) -> ArchConfig:
    return COVERED[name] if name in COVERED else ArchConfig.load(name)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
