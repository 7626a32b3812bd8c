"""The figures of `sim`, `estimate` and `demo`, all from counts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from spec.arch import ArchConfig
from spec.direction import Direction

if TYPE_CHECKING:
    from codesign.cycles import CycleCount
    from sw.unpack import PackedLayer

__all__ = ["Counts", "LayerReport", "build_report"]


@dataclass(frozen=True)
class Counts:
    """Counts of one layer, or sums over layers.

    Parameters
    ----------
    rows, cols, tokens : int
        M, K and N.
    weights : int
        Weights of the dense matrix, M·K.
    kept, vectors : int
    bits : int
        Of the layer in the file, everything included.
    products : int
        Kept weights times real tokens.
    compute_cycles, load_cycles, cycles : int
    dense_compute_cycles, dense_cycles : int
        Of the same matrix with every weight kept.
    """

    rows: int
    cols: int
    tokens: int
    weights: int
    kept: int
    vectors: int
    bits: int
    products: int
    compute_cycles: int
    load_cycles: int
    cycles: int
    dense_compute_cycles: int
    dense_cycles: int

    def __add__(self, other: Self) -> "Counts":
        return Counts(
            *(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    def figures(self, arch: ArchConfig) -> dict[str, int | float | None]:
        """Return counts and their ratios under the names of the JSON; a ratio over nothing is None."""
        peak = arch.pes
        return {
            "rows": self.rows,
            "cols": self.cols,
            "tokens": self.tokens,
            "kept": self.kept,
            "density": _ratio(self.kept, self.weights),
            "vectors": self.vectors,
            "mean_length": _ratio(self.kept, self.vectors),
            "metadata_bits_per_kept": _ratio(self.bits - self.kept * arch.weight_width, self.kept),
            "bits_per_kept": _ratio(self.bits, self.kept),
            "compression": _ratio(self.weights * arch.weight_width, self.bits),
            "compute_cycles": self.compute_cycles,
            "load_cycles": self.load_cycles,
            "cycles": self.cycles,
            "dense_compute_cycles": self.dense_compute_cycles,
            "dense_cycles": self.dense_cycles,
            "speedup": _ratio(self.dense_compute_cycles, self.compute_cycles),
            "end_to_end_speedup": _ratio(self.dense_cycles, self.cycles),
            "utilization": _ratio(self.products, peak * self.compute_cycles),
            "end_to_end_utilization": _ratio(self.products, peak * self.cycles),
        }


@dataclass(frozen=True)
class LayerReport:
    """One layer's line of the report.

    Parameters
    ----------
    name : str
    direction : Direction
    counts : Counts
    counters : CycleCount
        Of the accelerator.
    bit_exact : bool, optional
        Whether every output equals PyTorch's; None if none was computed.
    """

    name: str
    direction: Direction
    counts: Counts
    counters: "CycleCount"
    bit_exact: bool | None

    @classmethod
    def of(
        cls,
        layer: "PackedLayer",
        tokens: int,
        measured: "CycleCount",
        dense: "CycleCount",
        bit_exact: bool | None,
    ) -> Self:
        """Return the line of ``layer`` for ``tokens`` columns."""
        counts = Counts(
            rows=layer.rows,
            cols=layer.cols,
            tokens=tokens,
            weights=layer.rows * layer.cols,
            kept=layer.kept,
            vectors=layer.vectors,
            bits=layer.bits,
            products=layer.kept * tokens,
            compute_cycles=measured.compute_cycles,
            load_cycles=measured.load_cycles,
            cycles=measured.cycles,
            dense_compute_cycles=dense.compute_cycles,
            dense_cycles=dense.cycles,
        )
        return cls(layer.name, layer.direction, counts, measured, bit_exact)


def build_report(arch: ArchConfig, layers: Sequence[LayerReport]) -> dict[str, Any]:
    """Return the JSON object of `sim`, `estimate` and `demo`.

    ``total`` sums the counts; its ratios are ratios of sums. ``counters`` are those of
    ``spec.counters.COUNTERS``. There is at least one layer.
    """
    lines: list[dict[str, Any]] = []
    for layer in layers:
        figures = layer.counts.figures(arch)
        shape = {name: figures.pop(name) for name in ("rows", "cols", "tokens")}
        lines.append(
            {
                "name": layer.name,
                **shape,
                "direction": layer.direction.label,
                **figures,
                "bit_exact": layer.bit_exact,
                "counters": asdict(layer.counters),
            }
        )
    total = layers[0].counts
    for layer in layers[1:]:
        total = total + layer.counts
    counters = {name: sum(line["counters"][name] for line in lines) for name in lines[0]["counters"]}
    known = [layer.bit_exact for layer in layers if layer.bit_exact is not None]
    bit_exact = all(known) if len(known) == len(layers) else None
    return {
        "arch": arch.model_dump(),
        "pes": arch.pes,
        "bit_exact": bit_exact,
        "layers": lines,
        "total": {**total.figures(arch), "bit_exact": bit_exact, "counters": counters},
    }


def _ratio(count: int, base: int) -> float | None:
    return count / base if base else None
