"""Coverage as tables and as JSON."""

from typing import Any

from rich import box
from rich.table import Table

from codesign.coverage.bins import CROSSES
from codesign.coverage.measure import Measure, Share
from codesign.coverage.points import Kind

__all__ = ["as_json", "bin_table", "component_table"]


def component_table(found: Measure) -> Table:
    """Return a line for every component, and their sums."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, header_style="", footer_style="")
    table.add_column("component", f"{len(found.shares)} in all")
    for kind in Kind:
        total = found.total(kind)
        table.add_column(f"{kind}\nreached", _percent(total), justify="right")
        table.add_column("\nof", f"{total.total:,}", justify="right")
        table.add_column("\nexcluded", f"{total.excluded:,}", justify="right")
    for name, shares in found.shares.items():
        cells = [
            text
            for share in (shares[kind] for kind in Kind)
            for text in (_percent(share), f"{share.total:,}", f"{share.excluded:,}")
        ]
        table.add_row(name, *cells)
    return table


def bin_table(found: Measure) -> Table:
    """Return a line for every cross of bins, and their sums."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, header_style="", footer_style="")
    table.add_column("situations", f"{len(CROSSES)} crosses")
    table.add_column("reached", f"{found.bins_reached:,}", justify="right")
    table.add_column("bins", f"{len(found.bins):,}", justify="right")
    table.add_column("rarest")
    for cross in CROSSES:
        bins = [one for one in found.bins if one.cross == cross.name]
        rarest = min(bins, key=lambda one: one.count)
        reached = sum(one.count > 0 for one in bins)
        table.add_row(cross.name, str(reached), str(len(bins)), f"{rarest.name}: {rarest.count:,}")
    return table


def as_json(found: Measure) -> dict[str, Any]:
    """Return the figures, the points missed and the bins missed."""
    return {
        **{kind.value: _share(found.total(kind)) for kind in Kind},
        "components": {
            name: {kind.value: _share(shares[kind]) for kind in Kind} for name, shares in found.shares.items()
        },
        "bins": len(found.bins),
        "bins_reached": found.bins_reached,
        "bins_missed": [f"{one.cross}: {one.name}" for one in found.bins if not one.count],
        "missed": [
            {
                "arch": one.arch,
                "component": one.component,
                "kind": one.point.kind.value,
                "line": one.point.line,
                "text": one.text,
            }
            for one in found.missed
            if not one.reason
        ],
        "unused_exclusions": [one.what for one in found.unused],
        "jobs": found.jobs,
        "outputs": found.outputs,
        "defects": found.defects,
    }


def _share(share: Share) -> dict[str, float | int]:
    return {
        "reached": share.reached,
        "points": share.total,
        "excluded": share.excluded,
        "ratio": round(share.ratio, 6),
    }


def _percent(share: Share) -> str:
    # Rounded down: all is all.
    return f"{int(share.ratio * 1000) / 10:.1f} %" if share.total else "-"
