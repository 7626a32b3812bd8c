"""A feed-forward up-projection with its bias and GELU on chip: 8-bit activations in, 8-bit activations out.

    python examples/output_stage.py [--rows 1536] [--tokens 16]

The matrix is that of MiniLM's first encoder layer, pruned to 80 % zeros; its inputs are those of real
sentences. Psums become codes of the projection, which the table turns into codes of its GELU. The codes come
out of the generated RTL and are compared with PyTorch's integers, which must be equal, and with the same
pruned layer in floating point, whose difference is what the number format costs.
"""

import argparse
import sys
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch.nn.functional import gelu
from transformers import AutoModel

from codesign.pruned import kept_count, store_pruned
from codesign.simulation import simulate_layers
from spec.arch import ArchConfig
from sw.calibration import capture_activations
from sw.models import load_matrices, model_folder
from sw.outputs import output_parameters, tabulate
from sw.pack import pack
from sw.pretrained import load_pretrained
from sw.prune_model import PruneOptions, prune_layer
from sw.quantize import quantize_activations
from sw.targets import find_targets
from sw.unpack import unpack

NAME: Final = "layer0.ff_up"
SPARSITY: Final = 0.8
GELU_LEAST: Final = -0.17
"""Just below the smallest value of GELU."""


def main() -> int:
    """Print the figures; 1 if a code or a counter is wrong."""
    parser = argparse.ArgumentParser(description="Run a projection, its bias and GELU on the accelerator.")
    parser.add_argument("--arch", default="small_int8", metavar="ARCH")
    parser.add_argument("--rows", type=int, default=1536, help="Outputs that are kept, from the first on.")
    parser.add_argument("--tokens", type=int, default=16)
    arguments = parser.parse_args()
    arch = ArchConfig.load(arguments.arch)
    weight = load_matrices("minilm")[NAME][: arguments.rows]
    model, _ = load_pretrained(model_folder(), AutoModel)
    bias = dict(find_targets(model)[NAME].modules[0].named_parameters())["bias"].detach()[: arguments.rows]
    inputs = capture_activations("minilm", tokens=arguments.tokens)[NAME]

    pruned = prune_layer(
        NAME, weight.abs().numpy(), kept_count(SPARSITY, weight.numel()), PruneOptions.default(arch)
    )
    quantized = store_pruned(NAME, weight.numpy(), pruned).quantize(arch)
    activations, input_scale = quantize_activations(inputs.numpy(), arch.activation_width)
    kept = torch.from_numpy(np.where(pruned.mask, weight.numpy(), 0))
    projected = kept @ inputs + bias[:, None]

    steps = (1 << arch.activation_width) - 1
    low, high = float(projected.min()), float(projected.max())
    scale = (high - low) / steps
    zero_point = round(-low / scale) - (steps + 1) // 2
    gelu_scale = (high - GELU_LEAST) / steps
    gelu_zero = round(-GELU_LEAST / gelu_scale) - (steps + 1) // 2
    table = tabulate(
        lambda x: gelu(torch.from_numpy(x)).numpy(),
        scale=scale,
        zero_point=zero_point,
        output_scale=gelu_scale,
        output_zero_point=gelu_zero,
        width=arch.activation_width,
    )
    scales = quantized.scales.astype(np.float64) * input_scale
    outputs = output_parameters(scales, scale, bias=bias.numpy(), zero_point=zero_point, table=table)
    layer = unpack(pack([replace(quantized, outputs=outputs)], arch)).layers[0]

    done = simulate_layers([layer], arch, {NAME: activations})
    counts, codes = done.reports[0].counts, torch.from_numpy(done.outputs[NAME])
    for failure in done.failures:
        print(failure, file=sys.stderr)
    real = (codes.float() - gelu_zero) * gelu_scale
    error = (real - gelu(projected)).abs()
    print(
        f"{layer.rows} x {layer.cols}, {layer.kept:,} weights kept, {codes.shape[1]} tokens, {arch.pes} PEs"
    )
    different = np.unique(codes.numpy()).size
    print(f"codes: {codes.dtype}, {different} different, all equal PyTorch's: {not done.failures}")
    print(f"all cycles: {counts.cycles:,}, the cycle model's too")
    print(
        f"a code is {gelu_scale:.4f}; off GELU in float: mean {error.mean():.4f}, largest {error.max():.4f}"
    )
    return 1 if done.failures else 0


if __name__ == "__main__":
    sys.exit(main())
