"""The accelerator's Verilog, and how a place in it is called."""

import re
from typing import Final

__all__ = ["Source"]

_ASSIGNED: Final = re.compile(r"  assign (\\\S+) +=(.*);")
_CLOCKED: Final = re.compile(r"    (\S+) <= (\\\S+) ;")
_WRITTEN: Final = re.compile(r"\s+(\\\S+|\w+) *(?:\[[^]]*\] )?=[^=]")
_UNNAMED: Final = re.compile(r"\\\$\d+ |\\\$signal(?:\$\d+)? ")
_SHORT: Final = 100
"""Characters of a description in which unnamed results are still spelt out."""


class Source:
    """Verilog text by module and line.

    Parameters
    ----------
    verilog : str
        As `hw.emit` writes it.
    """

    def __init__(self, verilog: str) -> None:
        self._lines = verilog.split("\n")
        self._bounds: list[int] = []
        self._meanings: list[dict[str, str]] = []
        self._registers: list[dict[str, str]] = []
        for number, line in enumerate(self._lines):
            if line.startswith("module "):
                self._bounds.append(number)
                self._meanings.append({})
                self._registers.append({})
            elif assigned := _ASSIGNED.fullmatch(line):
                self._meanings[-1][assigned[1]] = assigned[2].strip()
            elif clocked := _CLOCKED.fullmatch(line):
                self._registers[-1][clocked[2]] = clocked[1]

    def text(self, line: int) -> str:
        """Return what stands in ``line``, counted from 1."""
        return self._lines[line - 1].strip()

    def describe(self, line: int) -> str:
        """Return ``line`` with the signal that its block is about, and unnamed results spelt out.

        The same logic has the same description in every architecture.
        """
        module = sum(bound < line for bound in self._bounds) - 1
        text = self._spelt(self.text(line), module)
        target = self._target(line, module)
        return f"{target}: {text}" if target else text

    def _target(self, line: int, module: int) -> str:
        """What an `always @*` block around ``line`` decides; empty outside of one."""
        first = line - 1
        while first > self._bounds[module] and not self._lines[first].startswith(("  always", "  assign")):
            first -= 1
        if self._lines[first].strip() != "always @* begin":
            return ""
        written = next(filter(None, map(_WRITTEN.match, self._lines[first + 1 :])))
        return self._registers[module].get(written[1], written[1]).removeprefix("\\")

    def _spelt(self, text: str, module: int) -> str:
        meanings = self._meanings[module]

        def spell(unnamed: re.Match[str]) -> str:
            found = meanings.get(unnamed[0].strip())
            return unnamed[0] if found is None else f"({found})"

        while len(text) < _SHORT:
            longer = _UNNAMED.sub(spell, text)
            if longer == text:
                break
            text = longer
        return re.sub(r" +", " ", text).replace("\\", "")
