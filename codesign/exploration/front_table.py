"""The front as a table for people."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.table import Table

from codesign.exploration.cost_model import CostErrors
from codesign.exploration.names import RESOURCE_NAMES, design_name, limit_name, quality_text, quality_title
from codesign.exploration.outcome import Outcome

__all__ = ["front_table"]

_SHOWN: Final = 12


def front_table(best: Sequence[Outcome], errors: CostErrors) -> Table:
    """Return the first of the best designs, one a row."""
    more = f"; {len(best) - _SHOWN} more in front.json" if len(best) > _SHOWN else ""
    device = best[0].limits.device
    table = Table(
        title=f"best designs for {best[0].tokens} tokens on {device.name}",
        caption=f"cycles, DSPs and block RAMs are exact; ~ estimated, uJ for a chip in "
        f"{best[0].technology.name} and its DRAM; median error of held-out designs "
        f"{100 * errors.luts:.0f} % (LUT4), {100 * errors.fmax:.0f} % (MHz){more}",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("design")
    for title in (
        "PEs",
        "ms",
        "cycles",
        "multipliers\nat work",
        quality_title(best).replace(" ", "\n"),
        "uJ",
        "MHz",
        "LUT4",
        "DSPs",
    ):
        table.add_column(title, justify="right")
    for title in ("block\nRAMs", "scarcest"):
        table.add_column(title, justify="right")
    table.add_column("limited by")
    for outcome in best[:_SHOWN]:
        about = "" if outcome.routed else "~"
        name, share = max(outcome.usage.items(), key=lambda item: item[1])
        used = outcome.row()["end_to_end_utilization"] or 0.0
        table.add_row(
            design_name(outcome),
            str(outcome.arch.pes),
            f"{outcome.latency_ms:.2f}",
            f"{outcome.total('cycles'):,}",
            f"{100 * used:.0f} %",
            quality_text(outcome),
            f"~{outcome.energy.total:,.0f}",
            f"{about}{outcome.cost.fmax_mhz:.0f}",
            f"{about}{outcome.cost.luts:,.0f}",
            str(outcome.cost.dsps),
            str(outcome.cost.brams),
            f"{RESOURCE_NAMES[name]} {100 * share:.0f} %",
            limit_name(outcome),
        )
    return table
