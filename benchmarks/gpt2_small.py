"""Prune and pack every matrix of GPT-2 small, and say what it takes: 85 million weights.

The weights are random, normal, with a scale per output and per input, because the package index has
no GPT-2: time and memory do not depend on more.

    python -m benchmarks.gpt2_small --threads 2
    python -m benchmarks.gpt2_small --layers 1 --direction vertical
"""

import argparse
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import torch

from codesign.pruned import kept_count, store_pruned
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.direction import Statistic
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.pattern import METADATA_BITS, Pattern
from sw.prune import prune_matrix

__all__ = ["MATRICES", "main"]

LAYERS: Final = 12
MATRICES: Final = {
    "qkv": (2304, 768),
    "attention_output": (768, 768),
    "ff_up": (3072, 768),
    "ff_down": (768, 3072),
}
_CHOICES: Final = {
    "both": None,
    **{one.label: one for one in Direction},
    **{one.value: one for one in Statistic},
}


@dataclass(frozen=True)
class Pruned:
    """A matrix between prune and pack; ``seconds`` of processor time went into each."""

    layer: QuantizedLayer
    retained: float
    bits: float
    prune_seconds: float
    quantize_seconds: float


def random_matrix(rows: int, cols: int, seed: int) -> torch.Tensor:
    """Return normal weights, each output and each input at a scale of its own."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, cols, generator=generator)
    weight *= 0.5 + torch.rand(rows, 1, generator=generator)
    return weight * (0.5 + torch.rand(1, cols, generator=generator))


def prune_one(
    name: str,
    shape: tuple[int, int],
    seed: int,
    options: argparse.Namespace,
    arch: ArchConfig,
) -> Pruned:
    """Make, prune and quantize one matrix."""
    weight = random_matrix(*shape, seed)
    start = time.thread_time()
    pruned = prune_matrix(
        weight.abs().numpy(),
        kept=kept_count(options.sparsity, weight.numel()),
        pattern=Pattern(arch, metadata_bits=METADATA_BITS),
        direction=_CHOICES[options.direction],
        grouping=options.grouping,
    )
    middle = time.thread_time()
    layer = store_pruned(name, weight.numpy(), pruned).quantize(arch)
    end = time.thread_time()
    return Pruned(layer, pruned.retained, pruned.record_bits_per_kept, middle - start, end - middle)


def tasks(layers: int) -> Iterator[tuple[str, tuple[int, int], int]]:
    """Name, shape and seed of every matrix."""
    for layer in range(layers):
        for part, shape in MATRICES.items():
            yield f"layer{layer}.{part}", shape, layer * len(MATRICES) + list(MATRICES).index(part)


def main() -> None:
    """Print seconds, peak memory and retained magnitude."""
    parser = argparse.ArgumentParser(description="prune and pack all matrices of GPT-2 small")
    parser.add_argument("--arch", default="ulx3s", metavar="ARCH")
    parser.add_argument("--layers", type=int, default=LAYERS, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--sparsity", type=float, default=0.8)
    parser.add_argument("--direction", choices=list(_CHOICES), default="both")
    parser.add_argument("--no-grouping", dest="grouping", action="store_false")
    options = parser.parse_args()
    # Matrices run beside each other; threads inside one would only wait for each other.
    torch.set_num_threads(1)
    arch = ArchConfig.load(options.arch)
    started = time.perf_counter()
    # Compilation is cached on disk, but the first run of all pays for it.
    prune_one("warm", (64, 64), 0, options, arch)
    warm = time.perf_counter()
    with ThreadPoolExecutor(options.threads) as pool:
        found = list(
            pool.map(lambda task: prune_one(task[0], task[1], task[2], options, arch), tasks(options.layers))
        )
    pruned = time.perf_counter()
    packed_from = time.process_time()
    data = pack([one.layer for one in found], arch)
    packed, pack_seconds = time.perf_counter(), time.process_time() - packed_from

    weights = sum(one.layer.mask.size for one in found)
    prune_seconds = sum(one.prune_seconds for one in found)
    quantize_seconds = sum(one.quantize_seconds for one in found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows = [
        ("matrices", f"{len(found)}"),
        ("weights", f"{weights:,}"),
        ("load and compile", f"{warm - started:.2f} s"),
        ("prune and quantize", f"{pruned - warm:.2f} s on {options.threads} threads"),
        ("pack", f"{packed - pruned:.2f} s, {len(data):,} bytes"),
        ("total", f"{packed - started:.2f} s"),
        (
            "processor time",
            f"prune {prune_seconds:.2f} s, quantize {quantize_seconds:.2f} s, pack {pack_seconds:.2f} s",
        ),
        ("peak memory", f"{peak / 2**30:.2f} GiB"),
        ("retained magnitude", f"{sum(one.retained for one in found) / len(found):.4f}"),
        ("most record bits", f"{max(one.bits for one in found):.4f} per kept weight"),
    ]
    for name, value in rows:
        print(f"{name:<20} {value}")


if __name__ == "__main__":
    main()
