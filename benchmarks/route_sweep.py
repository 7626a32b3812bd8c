"""Routed designs that the cost model of `mixvec explore` is fitted to.

    python -m benchmarks.route_sweep [--most-pes N]

Every architecture of the plan is synthesized, placed and routed on an ECP5-85F, one seed each, and kept in
`codesign/exploration/routed_ecp5.json`. What that file or the cache holds is not placed again. A design
of up to 16 PEs takes about a minute, one of 128 about ten.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import product

from codesign.exploration.routed import load_routed, save_routed
from codesign.exploration.routing import route_design
from codesign.exploration.store import Store
from sim.simulator import cache_folder
from spec.arch import ArchConfig


def plan() -> Iterator[ArchConfig]:
    """Shapes of the scaling table, then shapes with other widths and memories, small ones first."""
    shapes = [
        ArchConfig(clusters=c, lanes=n, tokens=t) for c, n, t in product((1, 2, 4), (2, 4, 8), (1, 4, 8))
    ]
    others = [
        ArchConfig(clusters=1, lanes=4, tokens=2, stream_width=128),
        ArchConfig(clusters=2, lanes=4, tokens=2, psum_width=24),
        ArchConfig(clusters=1, lanes=4, tokens=6, weight_width=4, activation_width=4),
        ArchConfig(clusters=1, lanes=2, tokens=12, stream_width=128, value_depth=8192),
        ArchConfig(clusters=2, lanes=4, tokens=3, weight_width=4, psum_width=24),
        ArchConfig(clusters=3, lanes=2, tokens=2, value_depth=1024),
        ArchConfig(clusters=1, lanes=8, tokens=2, segment=32),
        ArchConfig(clusters=1, lanes=4, tokens=4, segment=64),
        ArchConfig(clusters=1, lanes=1, tokens=8),
        ArchConfig(clusters=2, lanes=4, tokens=1, stream_width=128, value_depth=1024),
    ]
    yield from sorted([*shapes, *others], key=lambda arch: arch.pes)


def main() -> int:
    """Route what is missing."""
    parser = argparse.ArgumentParser(description="Place and route the designs of the cost model.")
    parser.add_argument("--most-pes", type=int, default=64, metavar="N")
    arguments = parser.parse_args()
    known = load_routed()
    done = {design.arch for design in known}
    print(
        "| C | L | T | stream | LUT4 | FFs | DSPs | block RAMs | MHz |\n|---|---|---|---|---|---|---|---|---|"
    )
    for arch in plan():
        if arch in done or arch.pes > arguments.most_pes:
            continue
        (one,) = route_design(arch, [1], Store(cache_folder() / "routed"))
        known.append(one)
        save_routed(known)
        shape = f"| {arch.clusters} | {arch.lanes} | {arch.tokens} | {arch.stream_width} "
        size = f"| {one.luts:,} | {one.ffs:,} | {one.dsps} | {one.brams} | {one.fmax_mhz:.1f} |"
        print(shape + size, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
