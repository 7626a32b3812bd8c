"""Retained magnitude against metadata bits, pattern by pattern, on MiniLM's encoder matrices.

    python examples/compare_patterns.py [--layers 0 1 2 3 4 5] [--parts qkv attention_output ...]

Every pattern keeps the same number of weights of every matrix. `retained` is the magnitude it keeps over
what fine-grained pruning of the same count keeps; metadata is per kept weight, in two codings: `records`,
in the format of the packed file, and `bitmap`, one bit for everything that the pattern keeps or prunes as
a whole, which is the cheapest plain coding of fixed lengths and blocks. `per record` is kept weights per
record that has any, where neighbouring short vectors share one. Sums over all matrices.

Direction and order of a matrix are those in which mixed vectors at the default budget keep most, once for
the original and once for the grouped order; all patterns that have a direction use the same.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codesign.console import note, progress
from codesign.pruned import kept_count
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.baselines import block_mask, fine_grained_mask, vector_mask
from sw.grouping import group_order
from sw.models import load_matrices
from sw.pattern import METADATA_BITS
from sw.segments import kept_groups, record_bits, segment_mask

PARTS: Final = ("qkv", "attention_output", "ff_up", "ff_down")
BUDGETS: Final = (METADATA_BITS, 0.75, 0.9, 1.2)
STRICT_BUDGETS: Final = (METADATA_BITS, 0.9)
LENGTHS: Final = (4, 8, 16)
SIDES: Final = (4, 8, 16)

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
Masker = Callable[..., Mask]


@dataclass(frozen=True)
class Pattern:
    """One line of the table: ``unit`` weights are kept or pruned together; None if that is no constant."""

    name: str
    masker: Masker
    directed: bool
    unit: int | None
    in_records: bool = True


@dataclass
class Sums:
    """Over all matrices: magnitude kept and possible, record bits, units, kept weights, vectors."""

    held: float = 0.0
    best: float = 0.0
    record_bits: int = 0
    weights: int = 0
    kept: int = 0
    vectors: int = 0
    matrices: int = 0


def patterns(arch: ArchConfig) -> list[Pattern]:
    """Return the lines of the table."""
    lines = [Pattern("fine-grained", undirected(fine_grained_mask), False, 1, in_records=False)]
    for length in LENGTHS:
        lines.append(Pattern(f"vectors of {length}", partial(vector_mask, length=length), True, length))
    for budget in BUDGETS:
        masker = partial(segment_mask, arch=arch, metadata_bits=budget)
        lines.append(Pattern(f"mixed vectors, {budget:.2f} bits", masker, True, None))
    for budget in STRICT_BUDGETS:
        masker = partial(segment_mask, arch=arch, metadata_bits=budget, contiguous=True)
        lines.append(Pattern(f"mixed, strict form, {budget:.2f} bits", masker, True, None))
    for side in SIDES:
        blocks = undirected(partial(block_mask, length=side))
        lines.append(Pattern(f"blocks of {side} x {side}", blocks, False, side * side, in_records=False))
    return lines


def undirected(masker: Masker) -> Masker:
    """Return ``masker`` without its direction."""

    def mask(score: Scores, *, kept: int, direction: Direction) -> Mask:
        return masker(score, kept=kept)

    return mask


def choose(scores: Scores, kept: int, arch: ArchConfig, *, grouped: bool) -> tuple[Direction, Scores]:
    """Return the direction in which mixed vectors keep most, and the scores in its order."""
    found: list[tuple[float, Direction, Scores]] = []
    for direction in Direction:
        ordered = scores
        if grouped:
            order = group_order(scores, kept=kept, direction=direction, arch=arch)
            ordered = np.take(scores, order, axis=0 if direction is Direction.VERTICAL else 1)
        mask = segment_mask(
            ordered,
            kept=kept,
            direction=direction,
            arch=arch,
            metadata_bits=METADATA_BITS,
            price_escapes=False,
        )
        found.append((float(ordered[mask].sum(dtype=np.float64)), direction, ordered))
    _, direction, ordered = max(found, key=lambda one: one[0])
    return direction, ordered


def measure(
    sums: Sums, pattern: Pattern, ordered: Scores, kept: int, direction: Direction, arch: ArchConfig
) -> None:
    """Add one matrix to a line."""
    mask = pattern.masker(ordered, kept=kept, direction=direction)
    fine = fine_grained_mask(ordered, kept=int(mask.sum()))
    sums.held += float(ordered[mask].sum(dtype=np.float64))
    sums.best += float(ordered[fine].sum(dtype=np.float64))
    sums.record_bits += record_bits(mask, direction, arch)
    sums.weights += mask.size
    sums.kept += int(mask.sum())
    sums.vectors += int(kept_groups(mask, direction, arch).any(axis=2).sum())
    sums.matrices += 1


def line(pattern: Pattern, sums: Sums, matrices: int) -> tuple[str, str, str, str]:
    """Return retained magnitude, record bits, bitmap bits and weights per record as text."""
    if sums.matrices < matrices:
        return "not met", "", "", ""
    records = f"{sums.record_bits / sums.kept:.2f}" if pattern.in_records else ""
    bitmap = "" if pattern.unit is None else f"{sums.weights / pattern.unit / sums.kept:.2f}"
    length = f"{sums.kept / sums.vectors:.1f}" if pattern.in_records else ""
    return f"{sums.held / sums.best:.3f}", records, bitmap, length


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare pruning patterns on MiniLM.")
    parser.add_argument("--layers", type=int, nargs="+", default=list(range(6)), metavar="N")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--arch", default="ulx3s", metavar="ARCH")
    parser.add_argument("--sparsity", type=float, default=0.8)
    arguments = parser.parse_args()

    arch = ArchConfig.load(arguments.arch)
    wanted = [f"layer{layer}.{part}" for layer in arguments.layers for part in arguments.parts]
    matrices = {name: matrix.numpy() for name, matrix in load_matrices("minilm").items() if name in wanted}
    lines = patterns(arch)
    sums = {(pattern.name, grouped): Sums() for pattern in lines for grouped in (False, True)}
    with progress("comparing", sum(weight.size for weight in matrices.values()), "weights") as advance:
        for name, weight in matrices.items():
            scores, kept = np.abs(weight), kept_count(arguments.sparsity, weight.size)
            for grouped in (False, True):
                direction, ordered = choose(scores, kept, arch, grouped=grouped)
                for pattern in lines:
                    if grouped and not pattern.directed:
                        continue
                    try:
                        measure(sums[pattern.name, grouped], pattern, ordered, kept, direction, arch)
                    except ConfigError as error:
                        note(f"{name}, {pattern.name}: {error}")
            advance(weight.size)

    print(
        f"{len(matrices)} matrices, {arguments.sparsity:.0%} pruned, L = {arch.lanes}, B = {arch.segment}\n"
    )
    print("| pattern | retained | records | bitmap | per record | grouped: retained | records | per record |")
    print("|---|---|---|---|---|---|---|---|")
    for pattern in lines:
        retained, records, bitmap, length = line(pattern, sums[pattern.name, False], len(matrices))
        cells = [pattern.name, retained, records, bitmap, length]
        if pattern.directed:
            retained, records, _, length = line(pattern, sums[pattern.name, True], len(matrices))
            cells += [retained, records, length]
        else:
            cells += ["", "", ""]
        print(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
