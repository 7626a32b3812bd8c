"""Steady state over many tiles: how busy the array and the input stream are, and what keeps them from it.

    python -m benchmarks.overlap

64 tiles of the matrices of MiniLM's first encoder layer, pruned to 80 %, on every preset; then layers that
the stream limits. Cycles are the cycle model's; no activation is taken to be 0.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch

from benchmarks.gpt2_small import random_matrix
from codesign.cycles import CycleCount, layer_cycles
from codesign.pruned import kept_count, store_pruned
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, CYCLE_CAUSES
from spec.presets import PRESETS
from sw.layer import QuantizedLayer
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.unpack import PackedLayer, unpack

__all__ = ["main_causes", "quantized_layer", "shares"]

TILES: Final = 64
_SHOWN: Final = 3


def shares(counts: Sequence[CycleCount], arch: ArchConfig) -> dict[str, float]:
    """Return what share of all cluster cycles goes to each cause; they add up to 1."""
    total = sum(count.cycles for count in counts)
    weights = dict.fromkeys(CLUSTER_CAUSES.values(), 1 / arch.clusters)
    # Busy cycles are those of the clusters.
    weights |= dict.fromkeys(CYCLE_CAUSES[1:], 1.0)
    return {
        name: weight * sum(getattr(count, name) for count in counts) / total
        for name, weight in weights.items()
    }


def main_causes(parts: Mapping[str, float]) -> str:
    """Return the largest shares besides beats, in words."""
    others = sorted((share, name) for name, share in parts.items() if name != "beats")[::-1]
    named = (f"{name.removesuffix('_cycles').replace('_', ' ')} {share:.1%}" for share, name in others)
    return ", ".join(list(named)[:_SHOWN])


def quantized_layer(name: str, weight: torch.Tensor, sparsity: float, arch: ArchConfig) -> QuantizedLayer:
    """Prune and quantize one matrix."""
    kept = kept_count(sparsity, weight.numel())
    pruned = prune_layer(name, weight.abs().numpy(), kept, PruneOptions.default(arch))
    return store_pruned(name, weight.numpy(), pruned).quantize(arch)


def packed_layer(name: str, weight: torch.Tensor, sparsity: float, arch: ArchConfig) -> PackedLayer:
    """Prune, quantize and pack one matrix."""
    return unpack(pack([quantized_layer(name, weight, sparsity, arch)], arch)).layers[0]


def load_bound() -> Iterator[tuple[str, str, ArchConfig, int, PackedLayer]]:
    """Case, preset, architecture, tokens and layer that the stream limits."""
    ulx3s, token = ArchConfig.load("ulx3s"), ArchConfig.load("token")
    minilm = load_matrices("minilm")["layer0.ff_down"]
    for sparsity in (0.95, 0.98):
        few = packed_layer("few", minilm[:96], sparsity, ulx3s)
        yield f"96 rows of ff_down, {sparsity:.0%} pruned", "ulx3s", ulx3s, TILES * ulx3s.tokens, few
    for sparsity in (0.95, 0.98):
        whole = packed_layer("whole", minilm, sparsity, ulx3s)
        yield f"ff_down, {sparsity:.0%} pruned", "ulx3s", ulx3s, TILES * ulx3s.tokens, whole
    narrow = token.model_copy(update={"stream_width": 64, "value_depth": 2048, "record_depth": 256})
    for name, weight in (("MiniLM", minilm), ("GPT-2", random_matrix(768, 3072, 3))):
        layer = packed_layer(name, weight, 0.8, narrow)
        yield f"{name}'s ff_down, 80% pruned, one token", "token, 64-bit stream", narrow, 1, layer


def line(case: str, name: str, arch: ArchConfig, tokens: int, layer: PackedLayer) -> str:
    """One row of either table."""
    count = layer_cycles(layer, arch, tokens)
    used = layer.kept * tokens / arch.pes
    return (
        f"| {case} | {name} | {tokens} | {len(layer.schedule.passes)} | {count.cycles:,} "
        f"| {used / count.cycles:.3f} | {count.load_cycles / count.cycles:.3f} "
        f"| {main_causes(shares([count], arch))} |"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Measure the steady state over many tiles.")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    arguments = parser.parse_args()
    head = (
        "| case | architecture | tokens | passes | cycles | end-to-end utilization | stream busy "
        "| where the other cycles go |"
    )
    matrices = {name: its for name, its in load_matrices("minilm").items() if name.startswith("layer0.")}
    print(f"{TILES} tiles, 80% pruned\n\n{head}")
    print("|---" * 8 + "|")
    for preset in arguments.presets:
        arch = ArchConfig.load(preset)
        for name, weight in matrices.items():
            layer = packed_layer(name, weight, 0.8, arch)
            print(line(name, preset, arch, TILES * arch.tokens, layer), flush=True)
    print(f"\nlimited by the stream\n\n{head}")
    print("|---" * 8 + "|")
    for case in load_bound():
        print(line(*case), flush=True)


if __name__ == "__main__":
    main()
