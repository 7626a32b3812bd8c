"""How many designs a second of processor time counts exactly, for all 24 matrices of MiniLM.

    python -m benchmarks.points

The model as it comes along, 80 % pruned, 64 columns, on 1 to 8 clusters of 4 lanes for 1, 4 and 8 tokens.
Loading the model and cutting it for 4 lanes, which all these designs share, are left out.
"""

import resource
import time
from itertools import product
from typing import Final

from codesign.exploration.measuring import Measurement, measure
from codesign.whole.sentence_encoder import PACKED_MINILM
from spec.arch import ArchConfig

COLUMNS: Final = 64
CLUSTERS, TOKENS, LANES = (1, 2, 4, 8), (1, 4, 8), 4
REPEATS: Final = 3


def main() -> None:
    """Print a line per design, and how many a second makes."""
    archs = [ArchConfig(clusters=c, lanes=LANES, tokens=t) for c, t in product(CLUSTERS, TOKENS)]
    jobs = [Measurement(str(PACKED_MINILM), "", arch, COLUMNS) for arch in archs]
    # What is compiled and cut once.
    measure(jobs[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("| C | T | PEs | cycles | milliseconds |\n|---|---|---|---|---|")
    total = 0.0
    for job in jobs:
        seconds = []
        for _ in range(REPEATS):
            started = time.process_time()
            result = measure(job)
            seconds.append(time.process_time() - started)
        total += min(seconds)
        arch, cycles = job.arch, sum(layer["cycles"] for layer in result["layers"])
        print(f"| {arch.clusters} | {arch.tokens} | {arch.pes} | {cycles:,} | {1e3 * min(seconds):.1f} |")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"\n{len(jobs) / total:.1f} designs per second of processor time, {grown / 1024:.0f} MiB more memory"
    )


if __name__ == "__main__":
    main()
