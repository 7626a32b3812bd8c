"""The report of an exploration: one page that needs no network."""

from collections.abc import Sequence
from html import escape
from typing import Final

from plotly.io import to_html

from codesign.exploration.explorer import Exploration
from codesign.exploration.figures import draw_exploration
from codesign.exploration.names import arch_file, design_name, limit_name, quality_text, quality_title
from codesign.exploration.outcome import Outcome

__all__ = ["render_page"]

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1240px; margin: 2em auto }
h1 { font-size: 1.6em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { padding: .3em .5em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child, td.text { text-align: left }
code { background: #f3f3f1; padding: .1em .3em; font-size: 12px }
input { font: inherit; padding: .2em .5em; width: 22em }
.note { color: #666; font-size: 13px }
"""
_FILTER: Final = """
const wanted = document.getElementById("filter");
wanted.addEventListener("input", () => {
  const words = wanted.value.toLowerCase().split(" ").filter(word => word);
  for (const row of document.querySelectorAll("#designs tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every(word => text.includes(word));
  }
});
"""


def render_page(exploration: Exploration) -> str:
    """Return the page as HTML, its scripts inside."""
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>mixvec: {escape(exploration.model)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Which accelerator for {escape(exploration.model)}?</h1>",
        _answer(exploration),
    ]
    for number, (title, figure) in enumerate(draw_exploration(exploration).items()):
        html = to_html(figure, include_plotlyjs=number == 0, full_html=False, div_id=f"figure-{number}")
        parts += [f"<h2>{title}</h2>", html]
    parts += [_table(exploration.best), _origin(exploration), f"<script>{_FILTER}</script></body></html>"]
    return "\n".join(parts)


def _answer(exploration: Exploration) -> str:
    """What was found, in a few sentences."""
    first, count = exploration.best[0], len(exploration.outcomes)
    fitting = sum(outcome.fits for outcome in exploration.outcomes)
    sentences = [
        f"Of {count:,} designs {fitting:,} run the model on {first.limits.device.name} "
        f"({escape(exploration.board)}); {len(exploration.best)} of them are beaten by no other in "
        f"{', '.join(exploration.objectives)}.",
        f"First by {exploration.objectives[0]}: <b>{design_name(first)}</b>, {first.arch.pes} PEs, "
        f"{first.latency_ms:.2f} ms for {first.tokens} tokens at {first.cost.fmax_mhz:.0f} MHz, limited by "
        f"{limit_name(first)}.",
    ]
    return f"<p>{' '.join(sentences)}</p>"


def _table(best: Sequence[Outcome]) -> str:
    """The best designs, and the commands that build them."""
    titles = (
        "design",
        "PEs",
        "ms",
        "cycles",
        "used",
        quality_title(best),
        "µJ",
        "MHz",
        "LUT4",
        "DSPs",
        "block RAMs",
        "limited by",
        "Verilog",
    )
    rows = []
    for outcome in best:
        cost = outcome.cost
        used = outcome.row()["end_to_end_utilization"] or 0
        cells = [
            f'<td class="text">{design_name(outcome)}</td>',
            *(
                f"<td>{text}</td>"
                for text in (
                    outcome.arch.pes,
                    f"{outcome.latency_ms:.2f}",
                    f"{outcome.total('cycles'):,}",
                    f"{100 * used:.0f} %",
                    quality_text(outcome),
                    f"{outcome.energy.total:,.0f} *",
                    f"{cost.fmax_mhz:.0f}{'' if outcome.routed else ' *'}",
                    f"{cost.luts:,.0f}{'' if outcome.routed else ' *'}",
                    cost.dsps,
                    cost.brams,
                    limit_name(outcome),
                )
            ),
            f'<td class="text"><code>mixvec rtl {arch_file(outcome.arch)} -o accelerator.v</code></td>',
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{title}</th>" for title in titles)
    return (
        '<h2>The best designs</h2><p><input id="filter" placeholder="filter, for example: C2 80 %"></p>'
        f'<table id="designs"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _origin(exploration: Exploration) -> str:
    """Where the figures come from."""
    errors, refusals = exploration.errors, exploration.refusals
    technology = exploration.best[0].technology
    lines = [
        "Cycles are exact: the model that gives them equals the RTL's own counters to the cycle. "
        "DSPs and block RAMs are counted from the architecture.",
        f"* estimated from {errors.designs} placed and routed designs; on designs left out of the fit median "
        f"error is {100 * errors.luts:.1f} % for LUT4 and {100 * errors.fmax:.1f} % for the clock rate, the "
        f"largest {100 * errors.luts_most:.0f} % and {100 * errors.fmax_most:.0f} %. Without a star: routed.",
    ]
    lines.append(
        f"* energy: exact counts of multiplications, additions and bits at every memory and at the stream, "
        f"times the costs of one each in {technology.name} ({technology.source}). For a chip, without clock "
        f"tree, control and leakage; an FPGA takes several times as much."
    )
    quality = exploration.best[0].quality
    if quality is not None:
        lines.append(
            f"{quality.name}: measured on held-out data, of the integers that the accelerator multiplies "
            f"with; the dense model has {quality.dense:.4g}."
        )
    if exploration.points_per_second is not None:
        lines.append(f"{exploration.points_per_second:.2f} designs per second and core.")
    if refusals:
        lines.append(f"{len(refusals)} combinations are no architecture, such as {refusals[0]}.")
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)
