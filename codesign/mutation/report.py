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


def load_reviews() -> dict[str, str]:
    """Return, by command, why a mutant is equivalent: no input makes it answer otherwise."""
    reviews: dict[str, str] = json.loads(_REVIEWS.read_text())
    return reviews


def report(
    mutants: Sequence[Mutant], outcomes: Mapping[int, Outcome], reviews: Mapping[str, str]
) -> dict[str, Any]:
    """Return counts and lists of a campaign as JSON values.

    ``survivors`` have no review, ``equivalent`` ones have one; ``score`` is the share killed of those that
    are not equivalent. ``kills`` counts the killed by fate, ``programs`` by program.
    """
    lines: list[dict[str, Any]] = []
    for number, mutant in enumerate(mutants, 1):
        its = outcomes[number]
        name = {"number": number, "site": mutant.site, "command": mutant.command}
        lines.append({**name, "fate": its.fate.value, "program": its.program, "defects": its.defects})
    killed = [outcome for outcome in outcomes.values() if outcome.fate.killed]
    alive = [line for line in lines if not Fate(line["fate"]).killed]
    equivalent = [
        {**line, "reason": reviews[line["command"]]} for line in alive if line["command"] in reviews
    ]
    judged = len(mutants) - len(equivalent)
    return {
        "mutants": len(mutants),
        "killed": len(killed),
        "kills": dict(Counter(outcome.fate.value for outcome in killed)),
        "programs": dict(Counter(outcome.program for outcome in killed)),
        "equivalent": equivalent,
        "survivors": [line for line in alive if line["command"] not in reviews],
        "score": len(killed) / judged if judged else 1.0,
        "list": lines,
    }


def report_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the report as lines of text."""
    judged = found["mutants"] - len(found["equivalent"])
    lines = [f"{found['mutants']} mutants, {found['killed']} killed"]
    lines += [f"  {count:5} {fate}" for fate, count in found["kills"].items()]
    lines += [f"{len(found['equivalent'])} equivalent, as reviewed"]
    lines += [f"{len(found['survivors'])} survive"]
    lines += [f"  {line['number']:5} {line['site']}: {line['fate']}" for line in found["survivors"]]
    lines += [f"{found['killed']} of {judged} killed: {found['score']:.1%}"]
    return lines
