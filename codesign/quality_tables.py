"""Tables of what pruned models still do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.table import Table

__all__ = ["gap_text", "quality_table"]

_SAME_DENSITY: Final = 0.01


def quality_table(summary: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of `evaluate`: one line per method and sparsity, mean and deviation over seeds."""
    quality = summary[0]["quality"]
    table = Table(title=f"{quality}, mean and standard deviation over seeds", box=box.SIMPLE_HEAD)
    table.title_justify = "left"
    table.add_column("method", no_wrap=True)
    for title in ("sparsity", "density", quality, f"{quality}\nas int8", "to fine-\ngrained"):
        table.add_column(title, justify="right")
    for title in ("record bits\nper kept", "bits\nper kept", "stored\nkbit", "compute\ncycles", "seeds"):
        table.add_column(title, justify="right")
    for line in summary:
        table.add_row(
            line["method"],
            f"{line['sparsity']:g}",
            f"{line['density']:.3f}",
            *(_spread(line[kind][quality]) for kind in ("float", "integer")),
            gap_text(line, summary),
            *(
                "-" if line[name] is None else f"{line[name]:.2f}"
                for name in ("record_bits_per_kept", "bits_per_kept")
            ),
            f"{line['bits'] / 1000:,.0f}",
            f"{line['compute_cycles']:,.0f}",
            str(len(line["seeds"])),
        )
    return table


def gap_text(line: Mapping[str, Any], summary: Sequence[Mapping[str, Any]]) -> str:
    """Return how far the mean quality is from fine-grained pruning at the same density, in percent."""
    for other in summary:
        if other["method"] != "fine-grained" or other["sparsity"] != line["sparsity"]:
            continue
        if abs(line["density"] / other["density"] - 1) <= _SAME_DENSITY:
            quality = line["quality"]
            ratio = line["float"][quality]["mean"] / other["float"][quality]["mean"] - 1
            return f"{100 * ratio:+.1f} %"
    return "-"


def _spread(values: Mapping[str, float]) -> str:
    return f"{values['mean']:.3f} ± {values['std']:.3f}"
