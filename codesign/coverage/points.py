"""What Verilator counted: the points of one run's coverage file."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spec.errors import FormatError

__all__ = ["Kind", "Point", "read_points"]

_ENTRY: Final = re.compile(r"C '(?P<keys>(?:\x01[^\x01\x02]+\x02[^\x01]*)+)' (?P<count>\d+)")
_COMMENT: Final = "#"
_CODE: Final = re.compile(r"__0([0-9A-F]{2})", re.IGNORECASE)
"""How Verilator writes a character that C++ has no room for in a name."""
_ALWAYS: Final = "block"
"""The start of an `always` or `initial` block: nothing was decided."""


class Kind(StrEnum):
    """What a point is about."""

    LINE = "line"
    BRANCH = "branch"
    TOGGLE = "toggle"


@dataclass(frozen=True, order=True, slots=True)
class Point:
    """One thing that a run can reach.

    Parameters
    ----------
    kind : Kind
    module : str
        Verilog module; its instances count together.
    line, column : int
        In the Verilog file; a line as such has column 0.
    name : str
        Arm of a branch, or bit and edge as in ``count[3]:0->1``; empty for a line.
    """

    kind: Kind
    module: str
    line: int
    column: int
    name: str


def read_points(text: str, file: str) -> dict[Point, int]:
    """Return the points of Verilog ``file`` in a coverage file, and how often each was reached.

    A line counts as often as the basic blocks that list it. A branch is either way out of an ``if`` or a
    ternary, and every arm of a ``case``.

    Parameters
    ----------
    text : str
        Of the coverage file that Verilator wrote.
    file : str
        Name of the Verilog file, without folders; others, such as the harness, are left out.

    Raises
    ------
    FormatError
        If the text is not in Verilator's format; names the line.
    """
    points: dict[Point, int] = {}
    for number, row in enumerate(text.splitlines(), 1):
        if not row or row.startswith(_COMMENT):
            continue
        entry = _ENTRY.fullmatch(row)
        if entry is None:
            raise FormatError(f"line {number} of the coverage file is no entry \"C 'keys' count\"")
        keys = dict(key.split("\x02", 1) for key in entry["keys"].split("\x01")[1:])
        try:
            if keys["f"].rpartition("/")[2] == file:
                for point in _points(keys):
                    points[point] = points.get(point, 0) + int(entry["count"])
        except (KeyError, ValueError) as error:
            raise FormatError(
                f"line {number} of the coverage file lacks a key or a number: {error}"
            ) from None
    return points


def _points(keys: dict[str, str]) -> list[Point]:
    module = keys["page"].partition("/")[2]
    line, column, name = int(keys["l"]), int(keys["n"]), keys["o"]
    if keys["t"] == "toggle":
        return [Point(Kind.TOGGLE, module, line, column, _CODE.sub(_decoded, name))]
    found = [Point(Kind.LINE, module, one, 0, "") for one in _numbers(keys.get("S", ""))]
    if name != _ALWAYS:
        found.append(Point(Kind.BRANCH, module, line, column, name))
    return found


def _decoded(code: re.Match[str]) -> str:
    return chr(int(code[1], 16))


def _numbers(ranges: str) -> list[int]:
    """The numbers in such as ``3-5,9``."""
    numbers: list[int] = []
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
