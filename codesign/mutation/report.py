"""What a campaign of mutants found: counts, and every survivor with what is known about it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codesign.mutation.campaign import Fate, Outcome
from codesign.mutation.mutant import Mutant

__all__ = ["ENOUGH", "load_reviews", "report", "report_lines"]

ENOUGH: Final = 0.95
"""Share of the mutants that are not equivalent which must be killed."""
_REVIEWS: Final = Path(__file__).with_name("reviewed.json")


def load_reviews() -> dict[tuple[str, str], str]:
    """Return, by site and line, why a mutant is equivalent: no input makes it answer otherwise.

    Both survive edits elsewhere in the RTL. Mutants that share them, copies of one expression say, share the
    review, so its reason must hold for all of them.
    """
    return {(one["site"], one["line"]): one["reason"] for one in json.loads(_REVIEWS.read_text())}


def report(
    mutants: Sequence[Mutant], outcomes: Mapping[int, Outcome], reviews: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """Return counts and lists of a campaign as JSON values.

    ``survivors`` have no review, ``equivalent`` ones have one; ``score`` is the share killed of those that
    are not equivalent. ``kills`` counts the killed by fate, ``programs`` by program. ``refuted`` are killed
    mutants with a review, which is therefore wrong: it excuses no survivor either.
    """
    lines: list[dict[str, Any]] = []
    for number, mutant in enumerate(mutants, 1):
        its = outcomes[number]
        name = {"number": number, "site": mutant.site, "line": mutant.line, "command": mutant.command}
        lines.append({**name, "fate": its.fate.value, "program": its.program, "defects": its.defects})
    killed = [outcome for outcome in outcomes.values() if outcome.fate.killed]
    dead = [line for line in lines if Fate(line["fate"]).killed]
    alive = [line for line in lines if not Fate(line["fate"]).killed]
    refuted = [{**line, "reason": reviews[_place(line)]} for line in dead if _place(line) in reviews]
    sound = {place: reason for place, reason in reviews.items() if place not in map(_place, refuted)}
    equivalent = [{**line, "reason": sound[_place(line)]} for line in alive if _place(line) in sound]
    judged = len(mutants) - len(equivalent)
    return {
        "mutants": len(mutants),
        "killed": len(killed),
        "kills": dict(Counter(outcome.fate.value for outcome in killed)),
        "programs": dict(Counter(outcome.program for outcome in killed)),
        "equivalent": equivalent,
        "survivors": [line for line in alive if _place(line) not in sound],
        "refuted": refuted,
        "score": len(killed) / judged if judged else 1.0,
        "list": lines,
    }


def _place(line: Mapping[str, Any]) -> tuple[str, str]:
    """What a mutant is reviewed by."""
    return line["site"], line["line"]


def report_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the report as lines of text."""
    judged = found["mutants"] - len(found["equivalent"])
    lines = [f"{found['mutants']} mutants, {found['killed']} killed"]
    lines += [f"  {count:5} {fate}" for fate, count in found["kills"].items()]
    lines += [f"{len(found['equivalent'])} equivalent, as reviewed"]
    lines += [f"{len(found['survivors'])} survive"]
    lines += [f"  {line['number']:5} {line['site']}: {line['fate']}" for line in found["survivors"]]
    lines += [
        f"{one['number']} was reviewed as equivalent, but {one['program']} kills it, so the review must go: "
        f"{one['site']}"
        for one in found["refuted"]
    ]
    lines += [f"{found['killed']} of {judged} killed: {found['score']:.1%}"]
    return lines
