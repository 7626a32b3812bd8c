"""Coverage as one page that needs no network."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Final

from codesign.coverage.bins import CROSSES, Bin
from codesign.coverage.measure import Measure, Missed, Share
from codesign.coverage.points import Kind

__all__ = ["render_page"]

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1240px; margin: 2em auto;
  padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top }
td:not(.text) { white-space: nowrap }
th:first-child, td:first-child, td.text, th.text { text-align: left }
tr.sum td { font-weight: 600; border-top: 2px solid #888 }
code { font-size: 12px; overflow-wrap: anywhere }
.bar { display: inline-block; width: 36px; height: .6em; background: #e3e3e3; margin-left: .5em }
.bar i { display: block; height: 100%; background: #3b7d4f }
.missed { background: #fbe9e7 } .note { color: #666; font-size: 13px }
summary { cursor: pointer; padding: .25em 0 } details { border-bottom: 1px solid #ddd }
"""


def render_page(found: Measure, archs: Mapping[str, str]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    found : Measure
    archs : mapping of str to str
        Architectures in JSON, by name.
    """
    missed = [one for one in found.missed if not one.reason]
    excluded = [one for one in found.missed if one.reason]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"><title>mixvec: coverage</title>',
            f"<style>{_STYLE}</style></head><body>",
            "<h1>What the random jobs reach of the accelerator</h1>",
            _answer(found),
            "<h2>By component</h2>",
            _components(found),
            f"<h2>Points that nothing reached ({len(missed):,})</h2>",
            *(_points(its, name) for name, its in _grouped(missed, lambda one: one.component)),
            f"<h2>Excluded, by reason ({len(excluded):,})</h2>",
            *(_points(its, reason) for reason, its in _grouped(excluded, lambda one: one.reason)),
            "<h2>Situations</h2>",
            *(_bins(name, its) for name, its in _crosses(found)),
            "<h2>Impossible situations</h2>",
            _rules(),
            "<h2>Architectures</h2>",
            *(f"<p><b>{escape(name)}</b> <code>{escape(text)}</code></p>" for name, text in archs.items()),
            "</body></html>",
        ]
    )


def _answer(found: Measure) -> str:
    shares = ", ".join(
        f"{kind} {_percent(found.total(kind))} of {found.total(kind).total:,}" for kind in Kind
    )
    state = f"{len(found.defects)} defects" if found.defects else "every answer was right"
    stale = "".join(
        f"<p class='missed'>The exclusion <code>{escape(one.what)}</code> meant no point: delete it.</p>"
        for one in found.unused
    )
    defects = "".join(f"<li class='missed'>{escape(one)}</li>" for one in found.defects)
    return (
        f"<p>Reached: {shares}; {found.bins_reached:,} of {len(found.bins):,} situations. "
        f"{found.jobs:,} jobs with {found.outputs:,} outputs, damaged streams and resets besides; "
        f"{state}.</p>"
        f"<ul>{defects}</ul>{stale}"
    )


def _components(found: Measure) -> str:
    head = "".join(f"<th>{kind}</th><th>points</th><th>excluded</th>" for kind in Kind)
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(_cells(shares[kind]) for kind in Kind)}</tr>"
        for name, shares in found.shares.items()
    ]
    total = f"<tr class='sum'><td>all</td>{''.join(_cells(found.total(kind)) for kind in Kind)}</tr>"
    body = f"<tbody>{''.join(rows)}{total}</tbody>"
    return f"<table><thead><tr><th>component</th>{head}</tr></thead>{body}</table>"


def _cells(share: Share) -> str:
    bar = f"<span class='bar'><i style='width:{100 * share.ratio:.1f}%'></i></span>" if share.total else ""
    return f"<td>{_percent(share)}{bar}</td><td>{share.total:,}</td><td>{share.excluded:,}</td>"


def _grouped(points: Iterable[Missed], key: Callable[[Missed], str]) -> list[tuple[str, list[Missed]]]:
    groups: dict[str, list[Missed]] = {}
    for one in points:
        groups.setdefault(key(one), []).append(one)
    return sorted(groups.items())


def _points(points: list[Missed], title: str) -> str:
    """A fold with one row for every place: bits of a signal stand together."""
    rows: dict[tuple[str, str, int, str], list[str]] = {}
    for one in points:
        toggle = one.point.kind is Kind.TOGGLE
        signal, _, rest = one.text.partition("[") if toggle and "[" in one.text else (one.text, "", "")
        place = (one.arch, one.point.module, one.point.line, f"{one.point.kind}: {signal}")
        rows.setdefault(place, []).append(f"[{rest}" if rest else "")
    cells = "".join(
        f"<tr><td>{escape(arch)}</td><td class='text'>{escape(module)}</td><td>{line}</td>"
        f"<td class='text'><code>{escape(what)}</code> {escape(' '.join(filter(None, bits[:24])))}"
        f"{' …' if len(bits) > 24 else ''}</td></tr>"
        for (arch, module, line, what), bits in sorted(rows.items())
    )
    head = "<th>architecture</th><th class='text'>module</th><th>line</th><th class='text'>what</th>"
    return (
        f"<details><summary>{escape(title)} ({len(points):,})</summary><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{cells}</tbody></table></details>"
    )


def _crosses(found: Measure) -> list[tuple[str, list[Bin]]]:
    return [(cross.name, [one for one in found.bins if one.cross == cross.name]) for cross in CROSSES]


def _bins(name: str, bins: list[Bin]) -> str:
    reached = sum(one.count > 0 for one in bins)
    rows = "".join(
        f"<tr{'' if one.count else ' class=missed'}><td>{escape(one.name)}</td><td>{one.count:,}</td></tr>"
        for one in bins
    )
    mark = "" if reached == len(bins) else " class='missed'"
    return (
        f"<details><summary{mark}>{escape(name)}: {reached} of {len(bins)}</summary>"
        f"<table><tbody>{rows}</tbody></table></details>"
    )


def _rules() -> str:
    lines = {
        f"<li>{escape(' / '.join(value.name.lower() for value in rule.where))}: {escape(rule.reason)}</li>"
        for cross in CROSSES
        for rule in cross.impossible
    }
    return f"<ul class='note'>{''.join(sorted(lines))}</ul>"


def _percent(share: Share) -> str:
    return f"{int(share.ratio * 1000) / 10:.1f} %" if share.total else "-"
