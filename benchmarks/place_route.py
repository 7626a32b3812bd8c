"""Clock rate and size after place and route on ECP5-85F, speed grade 6.

    python -m benchmarks.place_route --arch small --seeds 3

The accelerator stands behind an eight-bit link (`boards.byte_top`), whose cells are counted too. `small`
takes a minute a seed, `ulx3s` about ten.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from boards.place_route import Routing, route_ecp5, synthesize_ecp5
from spec.arch import ArchConfig


def main() -> int:
    """Print one line per seed, the median, and the slowest path of the first seed."""
    parser = argparse.ArgumentParser(description="Place and route one architecture on ECP5-85F.")
    parser.add_argument("--arch", default="small", metavar="ARCH")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--target", type=float, default=160, metavar="MHZ")
    arguments = parser.parse_args()
    arch = ArchConfig.load(arguments.arch)
    routed: list[Routing] = []
    print(f"{arguments.arch}: {arch.pes} PEs, target {arguments.target:g} MHz\n")
    print("| seed | MHz | LUT4 | LUT4 per PE | FFs | DSPs | block RAMs | synthesis | place and route |")
    print("|---" * 9 + "|")
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
        folder = Path(name)
        seconds = synthesize_ecp5(arch, folder)
        for seed in range(1, arguments.seeds + 1):
            one = route_ecp5(folder, seed=seed, target_mhz=arguments.target)
            routed.append(one)
            print(
                f"| {seed} | {one.fmax_mhz:.1f} | {one.luts:,} | {one.luts / arch.pes:.0f} | {one.ffs:,} "
                f"| {one.dsps} | {one.brams} | {seconds:.0f} s | {one.seconds:.0f} s |",
                flush=True,
            )
    rates = [one.fmax_mhz for one in routed]
    print(f"\nmedian {statistics.median(rates):.1f} MHz, lowest {min(rates):.1f} MHz; slowest path, seed 1:")
    for arrival, cell in routed[0].path:
        print(f"  {arrival:5.2f} ns  {cell}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
