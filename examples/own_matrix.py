"""From a NumPy array to cycles and Verilog, with the Python API.

    python examples/own_matrix.py [MATRIX.npy] [-o accelerator.v]

Without a file a random 200 x 300 matrix is taken. Nothing is simulated: the reference executor computes
the outputs from the packed words, and the cycle model says what the RTL's counters would.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from codesign.cycles import dense_cycles, layer_cycles
from codesign.pruned import kept_count, store_pruned
from codesign.verilog import accelerator_verilog
from spec.arch import ArchConfig
from sw.job import job_stream, read_outputs
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.reference import execute
from sw.unpack import unpack

TOKENS = 16


def main() -> int:
    """Print the figures; 1 if an output is wrong."""
    parser = argparse.ArgumentParser(description="Prune, pack and estimate one matrix.")
    parser.add_argument("matrix", type=Path, nargs="?", metavar="MATRIX.npy")
    parser.add_argument("--arch", default="small", metavar="ARCH")
    parser.add_argument("--sparsity", type=float, default=0.8)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.v")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    arch = ArchConfig.load(arguments.arch)
    if arguments.matrix is None:
        name, weight = "random", rng.standard_normal((200, 300), dtype=np.float32)
    else:
        name, tensor = next(iter(load_matrices(arguments.matrix).items()))
        weight = tensor.numpy()

    kept = kept_count(arguments.sparsity, weight.size)
    pruned = prune_layer(name, np.abs(weight), kept, PruneOptions.default(arch))
    data = pack([store_pruned(name, weight, pruned).quantize(arch)], arch)
    layer = unpack(data).layers[0]
    print(f"{name}: {layer.rows} x {layer.cols}, {layer.kept:,} weights kept, {layer.direction.label}")
    print(f"{pruned.retained:.3f} of the magnitude that fine-grained pruning keeps")
    print(f"{len(data):,} bytes packed, {layer.bits / layer.kept:.2f} bits per kept weight")

    activations = rng.integers(-128, 128, (layer.cols, TOKENS), dtype=np.int8)
    answer = execute(job_stream(layer, activations, arch), arch)
    outputs = read_outputs(answer, layer, TOKENS, arch).outputs
    exact = np.array_equal(outputs, layer.weights.astype(np.int64) @ activations.astype(np.int64))
    print(f"outputs from the packed words equal NumPy's: {exact}")

    sparse = layer_cycles(layer, arch, TOKENS, activations)
    dense = dense_cycles(layer, arch, TOKENS)
    print(f"{sparse.compute_cycles:,} compute cycles on {arch.pes} PEs, {dense.compute_cycles:,} if dense")

    if arguments.output is not None:
        arguments.output.write_text(accelerator_verilog(arch))
        print(f"Verilog: {arguments.output}")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
