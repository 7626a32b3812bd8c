"""How one encoder layer scales with clusters, lanes and tokens: cycles, size, clock rate, and what limits.

    python -m benchmarks.scaling

MiniLM's layer 0, four matrices, 80 % pruned, 64 tokens. Cycles are exact; LUT4, block RAMs and MHz are those
of `codesign/exploration/routed_ecp5.json` where the design was placed and routed, else estimated (~).
"""

from itertools import product
from typing import Final

from benchmarks.overlap import main_causes, packed_layer, shares
from codesign.cycles import layer_cycles
from codesign.exploration.cost_model import shipped_cost_model
from codesign.exploration.routed import load_routed
from spec.arch import ArchConfig
from sw.models import load_matrices

SPARSITY: Final = 0.8
TOKENS: Final = 64


def main() -> None:
    """Print one line per shape."""
    matrices = {name: one for name, one in load_matrices("minilm").items() if name.startswith("layer0.")}
    routed = {design.arch: design for design in load_routed()}
    costs, _ = shipped_cost_model()
    print("| C | L | T | PEs | cycles | at work | LUT4 | LUT4 per PE | block RAMs | MHz | ms | limits |")
    print("|---" * 12 + "|")
    for clusters, lanes, tokens in product((1, 2, 4), (2, 4, 8), (1, 4, 8)):
        arch = ArchConfig(clusters=clusters, lanes=lanes, tokens=tokens)
        packed = [packed_layer(name, weight, SPARSITY, arch) for name, weight in matrices.items()]
        counts = [layer_cycles(layer, arch, TOKENS) for layer in packed]
        cycles = sum(count.cycles for count in counts)
        used = sum(layer.kept for layer in packed) * TOKENS / (arch.pes * cycles)
        cost, about = (routed[arch], "") if arch in routed else (costs.cost(arch), "~")
        figures = (
            *(clusters, lanes, tokens, arch.pes, f"{cycles:,}", f"{used:.3f}"),
            *(f"{about}{cost.luts:,.0f}", f"{about}{cost.luts / arch.pes:.0f}", cost.brams),
            *(f"{about}{cost.fmax_mhz:.0f}", f"{about}{cycles / cost.fmax_mhz / 1e3:.2f}"),
            main_causes(shares(counts, arch)),
        )
        print(f"| {' | '.join(map(str, figures))} |", flush=True)


if __name__ == "__main__":
    main()
