"""Prune and pack every matrix of GPT-2 small, and say what it takes: 85 million weights.

The weights are random, normal, with a scale per output and per input, because the package index has
no GPT-2: time and memory do not depend on more.

    python -m benchmarks.gpt2_small
    python -m benchmarks.gpt2_small --layers 1 --no-grouping
"""

import argparse
import resource
import time
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from codesign.pruned import kept_count, store_pruned
from spec.arch import ArchConfig
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_model
from sw.units import named_shapes

__all__ = ["MATRICES", "main"]

LAYERS: Final = 12
MATRICES: Final = {
    "qkv": (2304, 768),
    "attention_output": (768, 768),
    "ff_up": (3072, 768),
    "ff_down": (768, 3072),
}


def random_matrix(rows: int, cols: int, seed: int) -> torch.Tensor:
    """Return normal weights, each output and each input at a scale of its own."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, cols, generator=generator)
    weight *= 0.5 + torch.rand(rows, 1, generator=generator)
    return weight * (0.5 + torch.rand(1, cols, generator=generator))


def main() -> None:
    """Print seconds, peak memory and retained magnitude."""
    parser = argparse.ArgumentParser(description="prune and pack all matrices of GPT-2 small")
    parser.add_argument("--arch", default="ulx3s", metavar="ARCH")
    parser.add_argument("--layers", type=int, default=LAYERS, metavar="N")
    parser.add_argument("--sparsity", type=float, default=0.8)
    parser.add_argument("--no-grouping", dest="grouping", action="store_false")
    arguments = parser.parse_args()
    arch = ArchConfig.load(arguments.arch)
    options = replace(PruneOptions.default(arch), grouping=arguments.grouping)
    sizes = {
        f"layer{layer}.{part}": size for layer in range(arguments.layers) for part, size in MATRICES.items()
    }
    weights = {name: random_matrix(*size, seed) for seed, (name, size) in enumerate(sizes.items())}
    shapes = named_shapes(sizes, heads=12)
    # Compilation is cached on disk, but the first run of all pays for it.
    prune_model({"warm": np.ones((64, 64), np.float32)}, named_shapes({"warm": (64, 64)}, 0), 800, options)

    started = time.perf_counter()
    scores = {name: weight.abs().numpy() for name, weight in weights.items()}
    count = sum(its.size for its in shapes)
    pruned = prune_model(scores, shapes, kept_count(arguments.sparsity, count), options)
    del scores
    masked = time.perf_counter()
    layers = [store_pruned(name, weights[name].numpy(), its).quantize(arch) for name, its in pruned.items()]
    data = pack(layers, arch)
    packed = time.perf_counter()

    held = np.mean([its.retained for its in pruned.values()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"matrices             {len(pruned)}")
    print(f"weights              {count:,}")
    print(f"prune                {masked - started:.2f} s")
    print(f"quantize and pack    {packed - masked:.2f} s, {len(data):,} bytes")
    print(f"total                {packed - started:.2f} s")
    print(f"peak memory          {peak:.2f} GiB")
    print(f"retained magnitude   {held:.4f}")
    print(
        f"most record bits     {max(its.record_bits_per_kept for its in pruned.values()):.4f} per kept weight"
    )


if __name__ == "__main__":
    main()
