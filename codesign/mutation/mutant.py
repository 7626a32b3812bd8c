"""One change to one place of a netlist."""

import re
from dataclasses import dataclass
from typing import Self

from codesign.mutation.cell_nets import CellNets
from codesign.mutation.source_text import SourceText, unnumbered

__all__ = ["Mutant"]

_OPTION = re.compile(r"-(\S+) (\S+)")
_PLACE = re.compile(r"\$design\.v:[\d.-]+\$\d+")


@dataclass(frozen=True)
class Mutant:
    """A line of `mutate -list`, without where it stands in the text.

    Parameters
    ----------
    command : str
        Arguments of `mutate` that apply it.
    site : str
        What it does to what: mode, wire or cell with its bit, and the port of the cell. Wires and cells are
        named without their numbers.
    line : str
        The Verilog behind it, as :class:`SourceText` has it, or the nets before a cell that has none. With
        ``site`` it tells what is mutated after numbers and lines have moved.
    """

    command: str
    site: str
    line: str = ""

    @classmethod
    def parse(cls, line: str, source: SourceText, cells: CellNets) -> Self:
        """Return the mutant of one line of the list, whose places are those of ``source``, of ``cells``.

        Raises
        ------
        ValueError
            If it is not such a line.
        """
        if not line.startswith("mutate -mode "):
            raise ValueError(f"a mutant must start with `mutate -mode`, not {line!r}")
        command = line.removeprefix("mutate ").partition(" -wire ")[0].partition(" -src ")[0].strip()
        options = dict(_OPTION.findall(line.partition(" -src ")[0]))
        cell = unnumbered(_PLACE.sub("", options["cell"].replace("$flatten", "")))
        port = f"{options['port']}[{options['portbit']}]"
        control = f" by bit {options['ctrlbit']}" if "ctrlbit" in options else ""
        wire = f" {unnumbered(options['wire'])}[{options['wirebit']}]" if "wire" in options else ""
        behind = source.behind(line) or cells.before(options["cell"])
        return cls(command, f"{options['mode']}{control}{wire} at {port} of {cell}", behind)

    @property
    def clocks(self) -> bool:
        """Whether it would change a clock, which no check of function is about."""
        return " -port CLK " in f"{self.command} "
