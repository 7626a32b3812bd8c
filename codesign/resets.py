"""Resets at every moment, from any state: `python -m codesign.resets`.

Every register and memory starts with bits drawn from a seed. A job is interrupted by a reset of one cycle at
every moment of loading, computing, draining, an error and idling; the job behind it must be exact, and every
one of its words must move in the same cycle as behind any other reset and with any other seed.
"""

import argparse
import sys
from collections.abc import Sequence

from codesign.count_argument import count
from codesign.regression.campaign import load_arch
from codesign.regression.resets import reset_defects, reset_trial
from sim.simulator import Simulator
from spec.errors import ConfigError

__all__ = ["main"]

_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every architecture; 1 if a job behind a reset is wrong anywhere, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.resets", description=__doc__)
    parser.add_argument("archs", nargs="*", default=["tiny"], metavar="ARCH", help="presets or files; tiny")
    parser.add_argument("--jobs", type=count, default=2, help="seeds of the jobs; 2")
    parser.add_argument("--initials", type=count, default=20, help="seeds of the unknown bits; 20")
    parser.add_argument("--step", type=count, default=1, help="cycles between moments; 1")
    parser.add_argument("--simulator", choices=list(Simulator), type=Simulator, default=Simulator.VERILATOR)
    options = parser.parse_args(arguments)
    try:
        archs = [load_arch(name) for name in options.archs]
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    failed = False
    for name, arch in zip(options.archs, archs, strict=True):
        total, wrong = 0, []
        for seed in range(options.jobs):
            trial = reset_trial(arch, seed)
            more, found = reset_defects(
                trial,
                step=options.step,
                initials=range(options.initials),
                simulator=options.simulator,
            )
            total += more
            wrong += [f"{name}, jobs {seed}: {sentence}" for sentence in found]
        for sentence in wrong[:_SHOWN]:
            print(sentence, file=sys.stderr)
        failed = failed or bool(wrong)
        print(f"{name}: {arch.pes} PEs, {total:,} jobs behind a reset, {len(wrong)} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
