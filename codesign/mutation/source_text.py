"""The Verilog behind a mutant, told so that it reads the same after unrelated edits."""

import re

__all__ = ["SourceText", "unnumbered"]

_SPAN = re.compile(r"-src [^\s:]+:(\d+)\.\d+-(\d+)\.\d+")
_MODULE = re.compile(r"\s*(?:\(\*.*\*\)\s*)?module\b")
_ASSIGN = re.compile(r"\s*assign \$(\d+) *= *(.*?) *;$")
_NET = re.compile(r"(?<![\w$])\$(\d+)")
_DECLARATION = re.compile(r"\s*(?:wire|reg|input|output)\b")
_SUFFIX = re.compile(r"(?<=\w)\$\d+")
_NUMBER = re.compile(r"\$\d+")
_LONGEST = 4
"""Lines of a statement that are told; of a longer one, a whole `casez`, only the first."""
_DEPTH = 4
"""Nets without a name that are followed, one behind the other."""
_WIDEST = 200
"""Characters of what is told of one place."""


class SourceText:
    """Verilog by line, in which nets without a name can be told apart by what they compute.

    Amaranth numbers such nets, ``$12``, and the numbers change with every edit of a module. Here the
    expression that is assigned to one takes its place; what an ``always`` block makes of one is not followed.

    Parameters
    ----------
    verilog : str
    """

    def __init__(self, verilog: str) -> None:
        self._lines = verilog.replace("\\", "").splitlines()
        self._nets: list[dict[str, str]] = []
        nets: dict[str, str] = {}
        for line in self._lines:
            if _MODULE.match(line):
                nets = {}
            self._nets.append(nets)
            if found := _ASSIGN.match(line):
                nets[found[1]] = found[2]

    def behind(self, line: str) -> str:
        """Return what stands where a line of `mutate -list` says: of the wire, then of the cell, if it knows.

        One space between words, no numbers of nets; empty for a cell that yosys made of others.
        """
        spans = dict.fromkeys((int(first), int(last)) for first, last in _SPAN.findall(line))
        return " / ".join(self._statement(first - 1, last) for first, last in spans)

    def _statement(self, start: int, stop: int) -> str:
        lines = self._lines[start:stop]
        if len(lines) > _LONGEST:
            lines = [lines[0], "..."]
        told = []
        for line in lines:
            target, equals, value = line.rpartition(" = " if " = " in line else "<=")
            if not _DECLARATION.match(line):
                value = self._followed(value, self._nets[start], _DEPTH)
            told.append(f"{target}{equals}{value}")
        return " ".join(unnumbered(" ".join(told)).split())[:_WIDEST]

    def _followed(self, value: str, nets: dict[str, str], depth: int) -> str:
        """Return ``value`` with the expressions of its nets."""
        if not depth:
            return value

        def expression(net: re.Match[str]) -> str:
            known = nets.get(net[1])
            return net[0] if known is None else f"({self._followed(known, nets, depth - 1)})"

        return _NET.sub(expression, value)


def unnumbered(text: str) -> str:
    """Return ``text`` without escapes and numbers: ``$12`` is ``$``, ``$signal$12`` is ``$signal``."""
    return _NUMBER.sub("$", _SUFFIX.sub("", text.replace("\\", "")))
