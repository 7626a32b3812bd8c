"""Tables of what boards do."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from boards.session import LinkCounts
from codesign.board_run import BoardLayer

__all__ = ["build_table", "run_table"]


def run_table(board: str, layers: Sequence[BoardLayer], counts: LinkCounts, restarts: int) -> Table:
    """Return a row per layer: what moved, how fast, and whether it is right."""
    table = Table(
        box=None,
        caption=f"{board}: {counts.requests:,} requests, {counts.repeats:,} repeated, "
        f"{counts.damaged:,} damaged replies, {restarts} restarts",
        caption_justify="left",
    )
    table.add_column("layer")
    for heading in ("M", "N", "bytes", "seconds", "bytes/s", "cycles", "beats", "bit exact"):
        table.add_column(heading, justify="right")
    for layer in layers:
        rows, tokens = layer.outputs.shape
        table.add_row(
            layer.name,
            f"{rows:,}",
            f"{tokens:,}",
            f"{layer.moved_bytes:,}",
            f"{layer.seconds:.2f}",
            f"{layer.moved_bytes / max(layer.seconds, 1e-9):,.0f}",
            f"{layer.counters.cycles:,}",
            f"{layer.counters.beats:,}",
            "no" if layer.mismatches else "yes",
        )
    return table


def build_table(report: Mapping[str, Any]) -> Table:
    """Return what a board's design takes, from the report of `build`."""
    written = report["bitstream"] or "a Vivado project, synthesized by yosys as a check only"
    table = Table(box=None, caption=f"{report['board']}: {written}", caption_justify="left")
    for heading in ("LUTs", "registers", "multipliers", "block RAMs", "fmax MHz", "clock MHz", "seed"):
        table.add_column(heading, justify="right")
    fmax = report["fmax_mhz"]
    table.add_row(
        *(f"{report[kind]:,}" for kind in ("luts", "ffs", "dsps", "brams")),
        "-" if fmax is None else f"{fmax:.1f}",
        f"{report['clock_mhz']:g}",
        str(report["seed"]),
    )
    return table
