"""One column through 16 PEs: a 384 x 384 matrix at 80 % zeros, in the RTL and in the cycle model.

    python examples/one_column.py

The matrix is the attention output of MiniLM's first encoder layer, the column a token of a real sentence.
It is multiplied twice: as it is, where beats that meet a zero activation are left out, and with its zeros
replaced by ones, where nothing but pruning helps.

The comparison is with 51,849 cycles of NNgen 1.3.4 with 16 multipliers, a dense generator, for a matrix of
the same size; zeros make no difference there. That figure includes streaming the weights, so it stands
beside `all cycles`.
"""

import sys
from typing import Final

import numpy as np
import torch

from codesign.cycles import layer_cycles
from codesign.pruned import kept_count, store_pruned
from codesign.simulation import simulate_layers
from spec.arch import ArchConfig
from sw.calibration import capture_activations
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.quantize import quantize_activations
from sw.unpack import unpack

NAME: Final = "layer0.attention_output"
SPARSITY: Final = 0.8
NNGEN_CYCLES: Final = 51_849


def main() -> int:
    """Print the figures; 1 if an output or a counter is wrong."""
    arch = ArchConfig(clusters=4, lanes=4, tokens=1)
    weight = load_matrices("minilm")[NAME]
    column = capture_activations("minilm", tokens=1)[NAME]

    kept = kept_count(SPARSITY, weight.numel())
    pruned = prune_layer(NAME, weight.abs().numpy(), kept, PruneOptions.default(arch))
    quantized = store_pruned(NAME, weight.numpy(), pruned).quantize(arch)
    layer = unpack(pack([quantized], arch)).layers[0]
    print(f"{layer.rows} x {layer.cols}, {layer.kept:,} weights kept, 1 column, {arch.pes} PEs")
    print(f"kept weights / PEs: {-(-layer.kept // arch.pes):,}\n")

    real, _ = quantize_activations(column.numpy(), arch.activation_width)
    failed = False
    for title, activations in (("real column", real), ("no zero in it", np.where(real == 0, 1, real))):
        model = layer_cycles(layer, arch, tokens=1, activations=activations)
        done = simulate_layers([layer], arch, {NAME: activations})
        counts = done.reports[0].counts
        product = torch.from_numpy(layer.weights).long() @ torch.from_numpy(activations).long()
        equal = int((torch.from_numpy(done.outputs[NAME]) == product).sum())

        print(f"{title}: {model.skipped_beats:,} of {model.beats + model.skipped_beats:,} beats skipped")
        print(f"  compute cycles  RTL {counts.compute_cycles:,}  cycle model {model.compute_cycles:,}")
        print(f"  all cycles      RTL {counts.cycles:,}  cycle model {model.cycles:,}")
        print(f"  outputs         {equal} of {product.numel()} equal PyTorch's integer matmul")
        for failure in done.failures:
            print(failure, file=sys.stderr)
        failed |= bool(done.failures) or equal < product.numel()

    times, compute = NNGEN_CYCLES / counts.cycles, NNGEN_CYCLES / counts.compute_cycles
    print(
        f"\nNNgen, 16 multipliers: {NNGEN_CYCLES:,} cycles, {times:.1f} times all cycles "
        f"and {compute:.1f} times the compute cycles of the last run"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
