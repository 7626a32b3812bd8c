"""Two simulators on the same jobs: every word, and the cycle in which it moved.

``python -m codesign.agreement`` runs Verilator and Icarus Verilog side by side.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import numpy as np

from codesign.count_argument import count
from codesign.regression.campaign import RANDOM, load_arch
from codesign.regression.defects import all_defects
from codesign.regression.runs import answers_in, send_paced
from codesign.regression.scenario import Scenario, draw_scenario
from sim.simulator import Simulator, SimulatorError, check_simulator
from sim.stream_run import StreamResult
from spec.errors import ConfigError

__all__ = ["differences", "disagreements", "main"]

_COUNTS: Final = (
    "accepted",
    "cycles",
    "simulated_cycles",
    "first_in",
    "first_out",
    "last_out",
    "times_in",
    "times_out",
)


def differences(one: StreamResult, other: StreamResult) -> list[str]:
    """Return a sentence for every way in which two runs differ: in a word, or in when words moved."""
    wrong = []
    if one.words.shape != other.words.shape:
        wrong.append(f"{len(one.words)} words out, and {len(other.words)}")
    elif not np.array_equal(one.words, other.words):
        first = int(np.flatnonzero((one.words != other.words).any(axis=1))[0])
        wrong.append(f"word {first} out is {one.words[first]}, and {other.words[first]}")
    for name in _COUNTS:
        left, right = getattr(one, name), getattr(other, name)
        if left != right:
            wrong.append(f"{name} is {left}, and {right}")
    return wrong


def disagreements(scenario: Scenario) -> tuple[int, list[str]]:
    """Run ``scenario`` on both simulators, without pauses and with its own.

    Returns
    -------
    tuple of int and list of str
        Output words compared, and a sentence for everything in which they differ from each other, or
        Verilator from PyTorch and the cycle model.
    """
    arch, jobs = scenario.arch, scenario.jobs
    words, wrong = 0, []
    for pace in scenario.paces:
        try:
            first, second = (
                send_paced(jobs, arch, pace, simulator)
                for simulator in (Simulator.VERILATOR, Simulator.ICARUS)
            )
            found = differences(first, second)
            found += all_defects(jobs, answers_in(first, jobs, arch), arch, stalled=pace.stalled)
        except SimulatorError as error:
            found = [str(error)]
        else:
            words += len(first.words)
        wrong += [f"{one} ({pace.pauses})" for one in found]
    return words, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every architecture; 1 if the simulators differ anywhere, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.agreement", description=__doc__)
    parser.add_argument("archs", nargs="*", metavar="ARCH", help="presets, JSON files or random:N")
    parser.add_argument("--archs", type=count, default=3, dest="count", help="random ones, without ARCH; 3")
    parser.add_argument("--runs", type=count, default=2, help="scenarios for each; 2")
    parser.add_argument("--outputs", type=count, default=300, help="outputs of each scenario, at least; 300")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    names = options.archs or [f"{RANDOM}{options.seed + n}" for n in range(options.count)]
    try:
        archs = [load_arch(name) for name in names]
        check_simulator(Simulator.ICARUS)
    except (ConfigError, SimulatorError) as error:
        print(error, file=sys.stderr)
        return 2
    failed = False
    for name, arch in zip(names, archs, strict=True):
        total, jobs = 0, 0
        for seed in range(options.seed, options.seed + options.runs):
            scenario = draw_scenario(arch, seed, options.outputs)
            words, wrong = disagreements(scenario)
            total, jobs, failed = total + words, jobs + len(scenario.jobs), failed or bool(wrong)
            for sentence in wrong:
                print(f"{name}, seed {seed}: {sentence}", file=sys.stderr)
        print(f"{name}: {arch.pes} PEs, {options.runs} scenarios, {jobs} jobs, {total:,} words compared")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
