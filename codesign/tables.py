"""Tables for people, from the same objects that `--json` prints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.table import Table

from spec.counters import CYCLE_CAUSES

__all__ = ["causes_table", "facts_table", "pruned_table", "report_table", "storage_table", "whole_table"]


_SHOWN_LAYERS: Final = 6
"""Most layers that get a column of their own."""
_CAUSES: Final = {
    "beats": "multiplies",
    "steal_cycles": "gives way to the drain",
    "drain_wait_cycles": "waits for a psum bank to be drained",
    "output_wait_cycles": "the same, for want of output buffer",
    "skip_wait_cycles": "no vector: dropped, only zeros",
    "vector_wait_cycles": "no vector: start, escape, empty block",
    "imbalance_cycles": "job done, others still at work",
    "loading_cycles": "no job: packets arrive",
    "draining_cycles": "no job: outputs leave",
    "starved_cycles": "no job: the host sends nothing",
}
"""The causes of ``spec.counters`` in few words; the last three are counted once for all clusters."""


def report_table(report: Mapping[str, Any]) -> Table:
    """Return the table of `sim`, `estimate` and `demo`."""
    tokens = sorted({line["tokens"] for line in report["layers"]})
    total = report["total"]
    title = (
        f"{report['pes']} PEs, {' or '.join(map(str, tokens))} tokens, "
        f"{_number(total['density'], 3)} of the weights kept"
    )
    table = _table(title, "layer", show_footer=True)
    columns = (
        ("M x K", "", lambda line: f"{line['rows']} x {line['cols']}"),
        ("direction", "", lambda line: line["direction"]),
        ("mean\nlength", None, lambda line: _number(line["mean_length"], 1)),
        ("bits per\nkept", None, lambda line: _number(line["bits_per_kept"], 2)),
        ("times\nsmaller", None, lambda line: _number(line["compression"], 2)),
        ("compute\ncycles", None, lambda line: f"{line['compute_cycles']:,}"),
        ("all\ncycles", None, lambda line: f"{line['cycles']:,}"),
        ("speedup", None, lambda line: _number(line["speedup"], 2)),
        ("end to\nend", None, lambda line: _number(line["end_to_end_speedup"], 2)),
        ("utili-\nzation", None, lambda line: _number(line["utilization"], 3)),
        ("end to\nend", None, lambda line: _number(line["end_to_end_utilization"], 3)),
        ("bit\nexact", None, lambda line: _yes(line["bit_exact"])),
    )
    table.columns[0].footer = "total"
    for title, footer, show in columns:
        table.add_column(title, show(total) if footer is None else footer, justify="right", overflow="fold")
    for line in report["layers"]:
        table.add_row(line["name"], *(show(line) for _, _, show in columns))
    return table


def whole_table(report: Mapping[str, Any]) -> Table:
    """Return the layers of a whole model; cycles are missing where the backend counts none."""
    total = report["total"]
    table = _table(f"{report['pes']} PEs, {total['kept']:,} weights kept", "layer", show_footer=True)
    table.columns[0].footer = "total"
    columns: tuple[tuple[str, str | None, Callable[[Mapping[str, Any]], str]], ...] = (
        ("M x K", "", lambda line: f"{line['rows']} x {line['cols']}"),
        ("calls", None, lambda line: f"{line['calls']:,}"),
        ("columns", "", lambda line: f"{line['tokens']:,}"),
        ("compute\ncycles", None, lambda line: _count(line["compute_cycles"])),
        ("words\nloaded", None, lambda line: _count(line["load_cycles"])),
        ("all\ncycles", None, lambda line: _count(line["cycles"])),
        ("utili-\nzation", None, lambda line: _number(line["utilization"], 3)),
        ("end to\nend", None, lambda line: _number(line["end_to_end_utilization"], 3)),
        ("bound", None, lambda line: line["bound"] or "-"),
        ("ms", None, lambda line: _number(line["milliseconds"], 3)),
    )
    for title, footer, show in columns:
        table.add_column(title, show(total) if footer is None else footer, justify="right")
    for line in report["layers"]:
        table.add_row(line["name"], *(show(line) for _, _, show in columns))
    return table


def causes_table(report: Mapping[str, Any]) -> Table:
    """Return where the cycles of all clusters go: every cycle of each under one cause."""
    total, clusters = report["total"]["counters"], report["arch"]["clusters"]
    lines = [line["counters"] for line in report["layers"]]
    several = lines if 1 < len(lines) <= _SHOWN_LAYERS else []
    unit = "clusters x" if clusters > 1 else "cluster,"
    title = f"where the cycles go: {clusters} {unit} {total['cycles']:,} cycles"
    table = _table(title, "counter", show_footer=True)
    table.columns[0].footer = "total"
    table.add_column("cycles", f"{clusters * total['cycles']:,}", justify="right")
    table.add_column("share", "100.0 %", justify="right")
    for line in report["layers"][: len(several)]:
        table.add_column(line["name"].replace(".", ".\n"), justify="right")
    table.add_column("cause")
    for name, cause in _CAUSES.items():
        times = clusters if name in CYCLE_CAUSES else 1
        shares = (_share(times * one[name], clusters * one["cycles"]) for one in (total, *several))
        table.add_row(name, f"{times * total[name]:,}", *shares, cause)
    return table


def storage_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the comparison of storage formats."""
    table = _table("storage at equal kept counts", "format")
    for title in ("bits per\nkept", "of which\nmetadata", "times\nsmaller", "magnitude\nretained"):
        table.add_column(title, justify="right")
    table.add_column("what is counted")
    for row in rows:
        table.add_row(
            row["format"],
            _number(row["bits_per_kept"], 2),
            _number(row["metadata_bits_per_kept"], 2),
            _number(row["compression"], 2),
            _number(row["retained"], 3),
            row["counted"],
        )
    return table


def pruned_table(facts: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of `prune`."""
    table = _table("pruned matrices", "layer")
    for title in ("M x K", "direction", "neighbour", "variance", "kept", "density", "retained"):
        table.add_column(title, justify="right")
    for title in ("record bits\nper kept", "mean\nlength"):
        table.add_column(title, justify="right")
    for line in facts:
        strengths = line["strengths"]
        table.add_row(
            line["name"],
            f"{line['rows']} x {line['cols']}",
            line["direction"],
            *(
                f"{strengths[name]['strength']:.3f} {strengths[name]['direction']}"
                for name in ("neighbour", "variance")
            ),
            f"{line['kept']:,}",
            _number(line["density"], 3),
            _number(line["retained"], 3),
            _number(line["record_bits_per_kept"], 2),
            _number(line["mean_length"], 1),
        )
    return table


def facts_table(title: str, facts: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with one column per key, the first key naming the line."""
    first, *names = facts[0]
    table = _table(title, first)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for line in facts:
        table.add_row(str(line[first]), *(_plain(line[name]) for name in names))
    return table


def _table(title: str, first: str, *, show_footer: bool = False) -> Table:
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        show_footer=show_footer,
        title_justify="left",
        padding=(0, 1, 0, 0),
        collapse_padding=True,
    )
    table.add_column(first, no_wrap=True)
    return table


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _share(count: int, base: int) -> str:
    return f"{100 * count / base:.1f} %" if base else "-"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "NO", None: "-"}[value]
