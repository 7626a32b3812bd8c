"""Figures of a campaign, and their table."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from codesign.regression.campaign import Batch, load_arch
from codesign.regression.trial import ScenarioResult

__all__ = ["summary", "summary_table"]


def summary(results: Sequence[tuple[Batch, ScenarioResult]]) -> dict[str, Any]:
    """Return counts by architecture and altogether."""
    lines: dict[str, dict[str, Any]] = {}
    for batch, result in results:
        line = lines.setdefault(
            batch.arch,
            {"arch": batch.arch, "pes": load_arch(batch.arch).pes, "seeds": [], **_nothing()},
        )
        line["seeds"].append(result.seed)
        for name, count in _counts(result).items():
            line[name] += count
    total = {name: sum(line[name] for line in lines.values()) for name in _nothing()}
    return {"archs": list(lines.values()), "architectures": len(lines), "scenarios": len(results), **total}


def _nothing() -> dict[str, int]:
    return {"jobs": 0, "outputs": 0, "counters": 0, "defects": 0}


def _counts(result: ScenarioResult) -> dict[str, int]:
    return {
        "jobs": result.jobs,
        "outputs": result.outputs,
        "counters": result.counters,
        "defects": len(result.defects),
    }


def summary_table(found: dict[str, Any]) -> Table:
    """Return a line for every architecture, and their sums."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, header_style="", footer_style="")
    table.add_column("architecture", f"{found['architectures']} in all")
    table.add_column("PEs", justify="right")
    table.add_column("scenarios", f"{found['scenarios']:,}", justify="right")
    for name, title in (
        ("jobs", "jobs"),
        ("outputs", "outputs\ncompared"),
        ("counters", "counters\ncompared"),
        ("defects", "defects"),
    ):
        table.add_column(title, f"{found[name]:,}", justify="right")
    for line in found["archs"]:
        counts = [f"{line[name]:,}" for name in ("jobs", "outputs", "counters", "defects")]
        table.add_row(line["arch"], f"{line['pes']:,}", str(len(line["seeds"])), *counts)
    return table
