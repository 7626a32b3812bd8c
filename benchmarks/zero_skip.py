"""What zero activations save, on real ones: beats skipped and cycles, by tokens T and look-ahead.

    python examples/train_character_model.py TEXT -o RELU --activation relu --steps 600 --block 128 --size 6
    python -m benchmarks.zero_skip --relu RELU

The layers are those behind the non-linearity, feed-forward down: of MiniLM after GELU, and of a character
model after ReLU. Their inputs come from running real sentences through the unpruned model and are quantized
to 8 bits with one scale per matrix. Cycles are the cycle model's. Clusters keep their shape, so T times as
many PEs work on T tokens.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import layer_cycles
from codesign.pruned import kept_count, store_pruned
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.calibration import capture_activations
from sw.job import tile_count
from sw.layer import QuantizedLayer
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.quantize import quantize_activations
from sw.unpack import unpack

__all__ = ["Line", "Subject", "measure"]

CLUSTERS: Final = 4
LANES: Final = 4
TOKENS: Final = 64
SPARSITY: Final = 0.8
PART: Final = "ff_down"


@dataclass(frozen=True, eq=False)
class Subject:
    """Layers of one model with what they are multiplied with.

    Parameters
    ----------
    name : str
    direction : Direction
        Of the vectors.
    retained : float
        Mean share of the magnitude that fine-grained pruning keeps.
    layers : sequence of QuantizedLayer
    activations : mapping of str to ndarray of int8, shape (K, N)
        By layer name.
    """

    name: str
    direction: Direction
    retained: float
    layers: Sequence[QuantizedLayer]
    activations: Mapping[str, NDArray[np.int8]]


@dataclass(frozen=True)
class Line:
    """Sums over the layers of a subject.

    Parameters
    ----------
    idle_inputs : float
        Share of the inputs that are 0 for all tokens of a tile.
    skipped : float
        Share of the beats.
    compute_cycles, full_cycles : int
        With zeros, and if no activation were 0.
    skip_waits : float
        Share of the clusters' busy cycles in which the queue was empty because vectors had been dropped.
    """

    idle_inputs: float
    skipped: float
    compute_cycles: int
    full_cycles: int
    skip_waits: float


def architecture(tokens: int, queue_depth: int) -> ArchConfig:
    """Four clusters of four lanes."""
    return ArchConfig(clusters=CLUSTERS, lanes=LANES, tokens=tokens, queue_depth=queue_depth)


def load(name: str, source: str | Path, tokens: int, direction: Direction) -> Subject:
    """Prune and quantize the model's layers behind the non-linearity, and capture their inputs."""
    options = replace(PruneOptions.default(architecture(1, 8)), direction=direction)
    arch = architecture(1, 8)
    retained = []
    matrices = {name: weight for name, weight in load_matrices(source).items() if name.endswith(PART)}
    inputs = capture_activations(source, tokens)
    layers = []
    for layer, weight in matrices.items():
        kept = kept_count(SPARSITY, weight.numel())
        pruned = prune_layer(layer, weight.abs().numpy(), kept, options)
        retained.append(pruned.retained)
        layers.append(store_pruned(layer, weight.numpy(), pruned).quantize(arch))
    quantized = {layer: quantize_activations(inputs[layer].numpy(), 8)[0] for layer in matrices}
    return Subject(name, direction, float(np.mean(retained)), layers, quantized)


def measure(subject: Subject, arch: ArchConfig) -> Line:
    """Count the cycles of all layers, with the activations' zeros and without."""
    idle = inputs = skipped = beats = waits = busy = compute = full = 0
    for layer in unpack(pack(subject.layers, arch)).layers:
        activations = subject.activations[layer.name]
        tiles = tile_count(activations.shape[1], arch)
        missing = tiles * arch.tokens - activations.shape[1]
        padded = np.pad(activations != 0, ((0, 0), (0, missing)))
        idle += int((~padded.reshape(layer.cols, tiles, arch.tokens).any(axis=-1)).sum())
        inputs += layer.cols * tiles
        real = layer_cycles(layer, arch, activations.shape[1], activations)
        without = layer_cycles(layer, arch, activations.shape[1])
        skipped, beats = skipped + real.skipped_beats, beats + without.beats
        waits, busy = waits + real.skip_wait_cycles, busy + arch.clusters * real.busy_cycles
        compute, full = compute + real.compute_cycles, full + without.compute_cycles
    return Line(idle / inputs, skipped / beats, compute, full, waits / busy)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure zero-skipping on real activations.")
    parser.add_argument("--relu", type=Path, metavar="FOLDER", help="A model of the GPT-2 family with ReLU.")
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="N")
    arguments = parser.parse_args()
    sources: dict[str, str | Path] = {"MiniLM, GELU": "minilm"}
    if arguments.relu is not None:
        sources["character model, ReLU"] = arguments.relu
    for (name, source), direction in product(sources.items(), Direction):
        subject = load(name, source, arguments.tokens, direction)
        rows, cols = subject.layers[0].weights.shape
        zeros = np.mean([(its == 0).mean() for its in subject.activations.values()])
        print(
            f"{subject.name}: {len(subject.layers)} layers of {rows} x {cols}, {SPARSITY:.0%} pruned, "
            f"{subject.direction.label} vectors ({subject.retained:.3f} retained), "
            f"{arguments.tokens} tokens, {zeros:.1%} of the activations are 0\n"
        )
        print(
            "| T | PEs | look-ahead | inputs without any token | beats skipped | compute cycles "
            "| without zeros | speedup | waiting because of drops |"
        )
        print("|---" * 9 + "|")
        for tokens in (1, 2, 4, 8):
            for depth in (4, 8, 16):
                arch = architecture(tokens, depth)
                line = measure(subject, arch)
                print(
                    f"| {tokens} | {arch.pes} | {depth} | {line.idle_inputs:.1%} | {line.skipped:.1%} "
                    f"| {line.compute_cycles:,} | {line.full_cycles:,} "
                    f"| {line.full_cycles / line.compute_cycles:.2f} | {line.skip_waits:.1%} |",
                    flush=True,
                )
        print()


if __name__ == "__main__":
    main()
