"""One matrix in every number format: size, cycles, and whether the packed words give PyTorch's outputs.

    python examples/number_formats.py [--arch ARCH] [--tokens N]

The matrix is the attention output of MiniLM's first encoder layer, pruned once to 80 %, then quantized to
every width of weights and packed for an architecture that differs from ARCH only in its number formats.
Psums are as narrow as the layer's proof allows. Activations are real ones, quantized to their width with one
scale: narrow ones are often 0, and beats that meet only zeros are skipped. Outputs come from the reference
executor, cycles from the cycle model. Nothing here says what a format costs in quality.
"""

import argparse
import sys
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.cycles import layer_cycles
from codesign.pruned import PrunedLayer, kept_count, store_pruned
from spec.arch import ArchConfig
from spec.numbers import signed_width
from sw.calibration import capture_activations
from sw.job import job_stream, read_outputs
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.psums import psum_range
from sw.quantize import quantize_activations
from sw.reference import execute
from sw.unpack import unpack

NAME: Final = "layer0.attention_output"
SPARSITY: Final = 0.8
WEIGHT_WIDTHS: Final = (2, 3, 4, 8)
ACTIVATION_WIDTHS: Final = (4, 8)
LEAST_PSUM_WIDTH: Final = 16
HEAD: Final = (
    "weights",
    "activations",
    "psums",
    "bits per kept weight",
    "file bytes",
    "compute cycles",
    "if nothing is skipped",
    "all cycles",
    "beats skipped",
    "wrong outputs",
)


def main() -> int:
    """Print the table; 1 if an output is wrong."""
    parser = argparse.ArgumentParser(description="Compare number formats on one matrix.")
    parser.add_argument("--arch", default="ulx3s", metavar="ARCH")
    parser.add_argument("--tokens", type=int, default=64, metavar="N")
    arguments = parser.parse_args()
    base, tokens = ArchConfig.load(arguments.arch), arguments.tokens
    weight = load_matrices("minilm")[NAME]
    inputs = capture_activations("minilm", tokens=tokens)[NAME].numpy()
    kept = kept_count(SPARSITY, weight.numel())
    mask = prune_layer(NAME, weight.abs().numpy(), kept, PruneOptions.default(base))
    pruned = store_pruned(NAME, weight.numpy(), mask)

    print(f"{NAME}, {kept:,} weights kept, {tokens} tokens, {base.pes} PEs\n")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    wrong = 0
    for weight_width in WEIGHT_WIDTHS:
        for activation_width in ACTIVATION_WIDTHS:
            wrong += print_row(pruned, inputs, with_formats(pruned, base, weight_width, activation_width))
    return 1 if wrong else 0


def with_formats(
    pruned: PrunedLayer, base: ArchConfig, weight_width: int, activation_width: int
) -> ArchConfig:
    """Return ``base`` with these widths, and the narrowest psums that ``pruned`` allows in one chunk."""
    formats = {"weight_width": weight_width, "activation_width": activation_width}
    arch = ArchConfig.model_validate({**base.model_dump(), **formats})
    weights = pruned.quantize(arch).weights
    psums = psum_range(weights, weights.shape[1], activation_width)
    psum_width = max(LEAST_PSUM_WIDTH, *map(signed_width, psums))
    return ArchConfig.model_validate({**arch.model_dump(), "psum_width": psum_width})


def print_row(pruned: PrunedLayer, inputs: NDArray[np.float32], arch: ArchConfig) -> int:
    """Print one line of the table; return the number of wrong outputs."""
    tokens = inputs.shape[1]
    quantized = pruned.quantize(arch)
    data = pack([quantized], arch)
    layer = unpack(data).layers[0]
    activations, _ = quantize_activations(inputs, arch.activation_width)
    answer = execute(job_stream(layer, activations, arch), arch)
    outputs = torch.from_numpy(read_outputs(answer, layer, tokens, arch).outputs)
    product = torch.from_numpy(quantized.weights).long() @ torch.from_numpy(activations).long()
    wrong = int((outputs != product).sum())
    count = layer_cycles(layer, arch, tokens, activations)
    skipped = count.skipped_beats / (count.beats + count.skipped_beats)
    cells = (
        str(arch.weight_width),
        str(arch.activation_width),
        str(arch.psum_width),
        f"{layer.bits / layer.kept:.2f}",
        f"{len(data):,}",
        f"{count.compute_cycles:,}",
        f"{layer_cycles(layer, arch, tokens).compute_cycles:,}",
        f"{count.cycles:,}",
        f"{skipped:.1%}",
        f"{wrong} of {product.numel():,}",
    )
    print(f"| {' | '.join(cells)} |")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
