"""How many PEs should a ULX3S have for MiniLM? The fastest design of every size, at three sparsities.

    python examples/explore_minilm.py [MODEL]

The same exploration as `mixvec explore minilm --sparsity 0.6,0.7,0.8`, from Python; what does not fit is left
out. Pruning the 24 matrices nine times takes minutes, once; then a design takes about a second.
"""

import sys

from codesign.console import progress
from codesign.exploration.designs import DesignSpace
from codesign.exploration.explorer import Explorer
from codesign.exploration.names import design_name
from codesign.exploration.outcome import Objective, Outcome
from sw.pattern import METADATA_BITS

SPARSITIES = (0.6, 0.7, 0.8)
AXES = {"clusters": (1, 2, 4), "lanes": (2, 4, 8), "tokens": (4, 8, 16)}


def fastest(outcomes: list[Outcome]) -> str:
    """The shape and the milliseconds of the fastest, if any fits."""
    if not outcomes:
        return "-"
    best = min(outcomes, key=lambda outcome: outcome.latency_ms)
    return f"{design_name(best).partition(',')[0]}: {best.latency_ms:.1f} ms"


def main() -> None:
    """Print a line per number of PEs."""
    model = sys.argv[1] if len(sys.argv) > 1 else "minilm"
    space = DesignSpace({}, AXES, SPARSITIES, (METADATA_BITS,))
    explorer = Explorer(board="ulx3s", objectives=(Objective.LATENCY, Objective.QUALITY), causes=0)
    found = explorer.explore(model, space, progress)
    fitting = [outcome for outcome in found.outcomes if outcome.fits]
    print(f"| PEs | {' | '.join(f'{sparsity:.0%} pruned' for sparsity in SPARSITIES)} |\n|---|---|---|---|")
    for pes in sorted({outcome.arch.pes for outcome in found.outcomes}):
        cells = [
            fastest(
                [
                    one
                    for one in fitting
                    if one.design.pruning is not None
                    and (one.arch.pes, one.design.pruning.sparsity) == (pes, sparsity)
                ]
            )
            for sparsity in SPARSITIES
        ]
        print(f"| {pes} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
