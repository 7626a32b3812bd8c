"""Mutants of the packing software, as mutmut leaves them in its folder: what became of each."""

import ast
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from spec.errors import ConfigError

__all__ = [
    "SoftwareFate",
    "SoftwareMutant",
    "load_software_reviews",
    "read_mutants",
    "software_lines",
    "software_report",
]

_REVIEWS: Final = Path(__file__).with_name("reviewed_software.json")
_CLASS: Final = "ǁ"
"""What mutmut puts around the name of a class."""
_ORIGINAL: Final = "__mutmut_orig"


class SoftwareFate(StrEnum):
    """What became of a mutant."""

    FAILED = "a test fails"
    TIMEOUT = "the tests do not end"
    BREAKDOWN = "Python breaks down"
    SURVIVED = "every test passes"
    UNTESTED = "no test reaches it"
    UNKNOWN = "pytest itself failed"

    @classmethod
    def of(cls, exit_code: int) -> "SoftwareFate":
        """Return what an exit code of mutmut's worker means: pytest's, mutmut's own, or minus a signal."""
        return _FATES.get(exit_code, cls.UNKNOWN)

    @property
    def killed(self) -> bool:
        """Whether the tests noticed it."""
        return self in (SoftwareFate.FAILED, SoftwareFate.TIMEOUT, SoftwareFate.BREAKDOWN)


_FATES: Final = {
    0: SoftwareFate.SURVIVED,
    1: SoftwareFate.FAILED,
    3: SoftwareFate.FAILED,
    5: SoftwareFate.UNTESTED,
    33: SoftwareFate.UNTESTED,
    # SIGXCPU, which mutmut sends after its limit.
    -24: SoftwareFate.TIMEOUT,
    -9: SoftwareFate.BREAKDOWN,
    -11: SoftwareFate.BREAKDOWN,
}


@dataclass(frozen=True)
class SoftwareMutant:
    """One change of one function.

    Parameters
    ----------
    name : str
        What `mutmut show` takes.
    function : str
        Module, class and name.
    before, after : str
        The lines that differ, with one space between words. With ``function`` they tell what is mutated
        after mutmut's numbers have moved.
    fate : SoftwareFate
    """

    name: str
    function: str
    before: str
    after: str
    fate: SoftwareFate

    @property
    def place(self) -> tuple[str, str, str]:
        """What it is reviewed by."""
        return self.function, self.before, self.after


def load_software_reviews() -> dict[tuple[str, str, str], str]:
    """Return, by function, line before and line after, why a mutant is equivalent.

    No input makes it do anything else that a caller could see. Mutants that share all three share the review.
    """
    return {
        (one["function"], one["before"], one["after"]): one["reason"]
        for one in json.loads(_REVIEWS.read_text())
    }


def read_mutants(folder: Path) -> list[SoftwareMutant]:
    """Return the mutants in mutmut's ``folder`` that it has run, by file and number.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = [one for meta in sorted(folder.glob("**/*.py.meta")) for one in _mutants_of(meta, folder)]
    if not found:
        raise ConfigError(f"{folder} must hold mutants that were run; run `mutmut run` first")
    return found


def _mutants_of(meta: Path, folder: Path) -> Iterator[SoftwareMutant]:
    """Mutants of one file that were run."""
    codes: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    source = meta.with_suffix("")
    texts = _functions(source.read_text())
    module = ".".join(source.relative_to(folder).with_suffix("").parts)
    for name, code in codes.items():
        if code is None:
            continue
        own = name.removeprefix(f"{module}.")
        stem = own.partition("__mutmut_")[0]
        plain = stem.removeprefix("x").removeprefix("_" if _CLASS not in stem else _CLASS)
        before, after = _difference(texts[stem + _ORIGINAL], texts[own])
        yield SoftwareMutant(
            name, f"{module}.{plain.replace(_CLASS, '.')}", before, after, SoftwareFate.of(code)
        )


def _functions(text: str) -> dict[str, list[str]]:
    """The lines of every function's body and signature, without its name, by name."""
    lines = text.splitlines()
    return {
        node.name: [line.replace(node.name, "") for line in lines[node.lineno - 1 : node.end_lineno]]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }


def _difference(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """What is left of two texts without the lines that they share in front and behind."""
    pairs = zip(before, after, strict=False)
    front = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    before, after = before[front:], after[front:]
    backwards = zip(reversed(before), reversed(after), strict=False)
    back = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], backwards))
    left = (lines[: len(lines) - back] for lines in (before, after))
    first, second = (" ".join(" ".join(lines).split()) for lines in left)
    return first, second


def software_report(
    mutants: Sequence[SoftwareMutant], reviews: Mapping[tuple[str, str, str], str]
) -> dict[str, Any]:
    """Return counts and lists as JSON values, named as those of :func:`codesign.mutation.report.report`.

    ``lapsed`` are reviews of mutants that are not among those that were run.
    """
    dead = [one for one in mutants if one.fate.killed]
    alive = [one for one in mutants if not one.fate.killed]
    refuted = {one.place for one in dead} & reviews.keys()
    equivalent = [one for one in alive if one.place in reviews.keys() - refuted]
    judged = len(mutants) - len(equivalent)
    return {
        "mutants": len(mutants),
        "killed": len(dead),
        "kills": dict(Counter(one.fate.value for one in dead)),
        "files": {
            module: [sum(one.fate.killed for one in mutants if _module(one) == module), count]
            for module, count in Counter(map(_module, mutants)).items()
        },
        "equivalent": [asdict(one) | {"reason": reviews[one.place]} for one in equivalent],
        "survivors": [asdict(one) for one in alive if one not in equivalent],
        "refuted": [asdict(one) for one in dead if one.place in refuted],
        "lapsed": sorted(reviews.keys() - {one.place for one in mutants}),
        "score": len(dead) / judged if judged else 1.0,
    }


def _module(mutant: SoftwareMutant) -> str:
    """The file that it changes, as module."""
    return ".".join(mutant.function.split(".")[:2])


def software_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the report as lines of text."""
    judged = found["mutants"] - len(found["equivalent"])
    lines = [f"{found['mutants']} mutants, {found['killed']} killed"]
    lines += [f"  {count:5} {fate}" for fate, count in found["kills"].items()]
    lines += [f"  {killed:5} of {count} in {module}" for module, (killed, count) in found["files"].items()]
    lines += [f"{len(found['equivalent'])} equivalent, as reviewed"]
    lines += [f"{len(found['survivors'])} survive"]
    for one in found["survivors"]:
        lines += [f"  {one['name']}: {one['fate']}", f"    - {one['before']}", f"    + {one['after']}"]
    lines += [
        f"{one['name']} was reviewed as equivalent, but {one['fate']}, so the review must go"
        for one in found["refuted"]
    ]
    lines += [f"no mutant that was run is the reviewed one of {one[0]}: {one[2]}" for one in found["lapsed"]]
    lines += [f"{found['killed']} of {judged} killed: {found['score']:.1%}"]
    return lines
