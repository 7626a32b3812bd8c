"""One token through a layer of MiniLM and one of GPT-2 small: what generation costs, and what limits it.

    python -m benchmarks.one_token

All matrices are pruned to 80 %. MiniLM's are real; GPT-2 small's are random, since the package index has no
GPT-2 (see `benchmarks/gpt2_small.py`). Every weight is loaded for this one token, so the file's bits over the
width of the stream bound the cycles. They are the cycle model's, for an input that always offers a word; no
activation is taken to be 0.
"""

from typing import Final

from benchmarks.gpt2_small import MATRICES, random_matrix
from benchmarks.overlap import main_causes, quantized_layer, shares
from codesign.cycles import layer_cycles
from spec.arch import ArchConfig
from sw.layer import QuantizedLayer
from sw.models import load_matrices
from sw.pack import pack
from sw.unpack import unpack

SPARSITY: Final = 0.8
ARCHS: Final = {
    "token": ArchConfig.load("token"),
    "token, 128-bit stream": ArchConfig.load("token").model_copy(update={"stream_width": 128}),
    "token, 64-bit stream": ArchConfig.load("token").model_copy(update={"stream_width": 64}),
    "token, one pass if it fits": ArchConfig.load("token").model_copy(
        update={"value_depth": 8192, "record_depth": 256, "activation_depth": 1024}
    ),
    "small": ArchConfig.load("small"),
    "ulx3s": ArchConfig.load("ulx3s"),
}


def layers() -> dict[str, list[QuantizedLayer]]:
    """Both models' layers, pruned for four lanes and segments of 32, which all of ``ARCHS`` have."""
    arch = ARCHS["token"]
    minilm = {name: weight for name, weight in load_matrices("minilm").items() if name.startswith("layer0.")}
    gpt2 = {name: random_matrix(*size, seed) for seed, (name, size) in enumerate(MATRICES.items())}
    return {
        model: [quantized_layer(name, weight, SPARSITY, arch) for name, weight in matrices.items()]
        for model, matrices in (("MiniLM", minilm), ("GPT-2 small", gpt2))
    }


def main() -> None:
    """Print the table."""
    print(
        "| one layer of | architecture | PEs | kept weights | cycles | bound of the stream | "
        "end-to-end utilization | stream busy | where the other cycles go |"
    )
    print("|---" * 9 + "|")
    for model, quantized in layers().items():
        for name, arch in ARCHS.items():
            packed = unpack(pack(quantized, arch)).layers
            counts = [layer_cycles(layer, arch, 1) for layer in packed]
            cycles, kept = sum(count.cycles for count in counts), sum(layer.kept for layer in packed)
            bound = sum(layer.bits for layer in packed) / arch.stream_width
            loads = sum(count.load_cycles for count in counts)
            print(
                f"| {model} | {name} | {arch.pes} | {kept:,} | {cycles:,} | {bound:,.0f} "
                f"| {kept / arch.pes / cycles:.3f} | {loads / cycles:.3f} "
                f"| {main_causes(shares(counts, arch))} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
