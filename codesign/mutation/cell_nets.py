"""Nets at the inputs of cells that come from no line of the source."""

import re

from codesign.mutation.source_text import unnumbered

__all__ = ["CellNets"]

_CELL = re.compile(r"^  cell \S+ (\S+)$.*?^  end$", re.MULTILINE | re.DOTALL)
_INPUT = re.compile(r"^    connect \\(?!Y |Q |CLK )(\S+) (.*)$", re.MULTILINE)


class CellNets:
    """RTLIL by cell: yosys makes cells of its own, which only their nets tell apart.

    Parameters
    ----------
    rtlil : str
    """

    def __init__(self, rtlil: str) -> None:
        self._cells = {cell[1]: cell[0] for cell in _CELL.finditer(rtlil)}

    def before(self, cell: str) -> str:
        """Return the nets at the inputs of a cell, without numbers; empty if there is no such cell."""
        inputs = _INPUT.findall(self._cells.get(cell, ""))
        return unnumbered(" ".join(f"{port}: {nets}" for port, nets in inputs))
