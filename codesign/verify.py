"""Every check that takes long, two at a time: what each of them asks, found, and took.

``python -m codesign.verify`` is what ``make verify`` runs. A part writes to a log of its own.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from codesign.console import note, print_json, print_tables, progress
from codesign.count_argument import count

__all__ = ["PARTS", "Outcome", "Part", "main", "run_parts"]

_FOLDER: Final = Path("build/verify")
_PYTEST: Final = ("-m", "pytest", "-p", "no:cacheprovider")
_MIXVEC: Final = ("-c", "import sys; from codesign.cli import main; sys.exit(main())")


@dataclass(frozen=True)
class Part:
    """A command of one process, and what it asks.

    Attributes
    ----------
    arguments : tuple of str
        What follows ``python``.
    asks : str
    tool : str, optional
        A program without which the part is left out.
    """

    arguments: tuple[str, ...]
    asks: str
    tool: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a part: its exit status, and what it took, in seconds."""

    name: str
    status: int
    seconds: float
    processor_seconds: float


def _module(name: str, *options: str) -> tuple[str, ...]:
    return ("-m", f"codesign.{name}", *options)


def _tests(keyword: str) -> tuple[str, ...]:
    """Tests that are left out; proofs are a part of their own."""
    return (*_PYTEST, "-m", "long", "--ignore", "tests/test_formal.py", "-k", keyword)


def _regression(first: int) -> tuple[str, ...]:
    """25 random architectures from number ``first`` on."""
    sizes = ("--archs", "25", "--seed", str(first), "--runs", "2", "--outputs", "5500")
    return (*_MIXVEC, "regress", *sizes, "--workers", "1")


# The longest first, so that no process is left alone with one at the end.
PARTS: Final[Mapping[str, Part]] = {
    "tests-core": Part(_tests("not test_hw"), "what `make test` leaves out of the tests"),
    **{
        f"regression-{half}": Part(
            _regression(25 * half),
            "random jobs on 25 random architectures against PyTorch and the cycle model",
        )
        for half in range(2)
    },
    **{
        f"fuzz-{arch}": Part(
            _module("fuzz", "--streams", "25000", "--arch", arch), f"malformed streams for `{arch}`"
        )
        for arch in ("tiny", "everything", "wide", "cramped", "narrow_words")
    },
    "tests-components": Part(_tests("test_hw"), "what `make test` leaves out of the components' tests"),
    "links": Part(_module("link_faults"), "faults on the line between host and board"),
    "formal": Part(("-m", "sim.formal"), "stream components for every input"),
    "coverage": Part(_module("coverage", "-o", str(_FOLDER / "coverage")), "what of the RTL the jobs reach"),
    "gates-small": Part(_module("gates", "small"), "the netlist of `small` against its RTL"),
    "gates-tiny": Part(_module("gates", "tiny"), "the netlist of `tiny` against its RTL"),
    "gates-icebreaker": Part(
        _module("gates", "icebreaker", "--family", "ice40"), "the netlist of `icebreaker` against its RTL"
    ),
    "resets": Part(
        _module("resets", "tiny", "small", "--step", "29"), "jobs behind a reset, 20 random starts"
    ),
    "agreement": Part(
        _module("agreement", "tiny", "random:0", "random:1", "random:2"),
        "Verilator and Icarus, word for word",
        tool="iverilog",
    ),
}


def run_parts(
    parts: Mapping[str, Part], folder: Path, workers: int, done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Run ``parts``, ``workers`` at a time, and return what came of each, in their order.

    Parameters
    ----------
    parts : mapping of str to Part
    folder : Path
        Gets ``NAME.log`` of every part: what it said on both streams.
    workers : int
    done : callable
        Called with each outcome as it comes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups: set[int] = set()
    pool = ThreadPoolExecutor(workers)

    def run(name: str) -> Outcome:
        outcome = _run(name, parts[name], folder / f"{name}.log", groups)
        done(outcome)
        return outcome

    try:
        return list(pool.map(run, parts))
    finally:
        # Nothing is left to end unless the whole is interrupted.
        pool.shutdown(wait=False, cancel_futures=True)
        for group in list(groups):
            os.killpg(group, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named parts, or all; 0 if every one passes, 1 if one does not, 2 for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m codesign.verify", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--workers", type=count, default=os.cpu_count() or 1, help="parts at a time; cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in PARTS]:
        note(f"there is no part {unknown[0]}; choose from {', '.join(PARTS)}")
        return 2
    chosen = {name: part for name, part in PARTS.items() if name in (options.names or PARTS)}
    missing = [name for name, part in chosen.items() if part.tool and shutil.which(part.tool) is None]
    for name in missing:
        note(f"{name} is left out: `{chosen.pop(name).tool}` is not on PATH")
    start = time.monotonic()
    with progress("verify", len(chosen), "parts") as advance:

        def done(outcome: Outcome) -> None:
            advance(1)
            if outcome.status:
                note(f"{outcome.name} fails: {_FOLDER / outcome.name}.log")

        outcomes = run_parts(chosen, _FOLDER, options.workers, done)
    seconds = time.monotonic() - start
    if options.json:
        print_json(
            {"seconds": seconds, "parts": [asdict(outcome) for outcome in outcomes], "left_out": missing}
        )
    else:
        print_tables(_table(outcomes, seconds))
    return int(any(outcome.status for outcome in outcomes))


def _run(name: str, part: Part, log: Path, groups: set[int]) -> Outcome:
    """Run one part to its end; meanwhile ``groups`` names its process group."""
    start = time.monotonic()
    with log.open("wb") as text:
        # A group of its own, so that its simulators end with it.
        process = subprocess.Popen(
            [sys.executable, *part.arguments], stdout=text, stderr=subprocess.STDOUT, start_new_session=True
        )
        groups.add(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        groups.discard(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Outcome(name, process.returncode, time.monotonic() - start, used.ru_utime + used.ru_stime)


def _table(outcomes: Sequence[Outcome], seconds: float) -> Table:
    table = Table(title=f"verification: {seconds / 60:.1f} minutes", show_footer=True)
    busy = sum(outcome.processor_seconds for outcome in outcomes)
    table.add_column("part")
    table.add_column("asks")
    table.add_column("result")
    table.add_column("minutes", justify="right")
    table.add_column("of processor time", f"{busy / 60:.1f}", justify="right")
    for outcome in outcomes:
        result = f"[red]fails, status {outcome.status}[/]" if outcome.status else "[green]passes[/]"
        times = (f"{outcome.seconds / 60:.1f}", f"{outcome.processor_seconds / 60:.1f}")
        table.add_row(outcome.name, PARTS[outcome.name].asks, result, *times)
    return table


if __name__ == "__main__":
    sys.exit(main())
