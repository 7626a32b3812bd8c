"""One change to one place of a netlist."""

import re
from dataclasses import dataclass
from typing import Self

__all__ = ["Mutant"]

_OPTION = re.compile(r"-(\S+) (\S+)")
_NUMBERS = re.compile(r"\$design\.v:[\d.-]+\$\d+|\$\d+(?=\.|$)")


@dataclass(frozen=True)
class Mutant:
    """A line of `mutate -list`, without where it stands in the text.

    Parameters
    ----------
    command : str
        Arguments of `mutate` that apply it.
    site : str
        What it does to what: mode, wire or cell with its bit, and the port of the cell. Cells are named
        without their numbers.
    """

    command: str
    site: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the mutant of one line of the list.

        Raises
        ------
        ValueError
            If it is not such a line.
        """
        if not line.startswith("mutate -mode "):
            raise ValueError(f"a mutant must start with `mutate -mode`, not {line!r}")
        command = line.removeprefix("mutate ").partition(" -wire ")[0].partition(" -src ")[0].strip()
        options = dict(_OPTION.findall(line.partition(" -src ")[0]))
        cell = _NUMBERS.sub("", options["cell"].replace("$flatten", "").replace("\\", ""))
        port = f"{options['port']}[{options['portbit']}]"
        control = f" by bit {options['ctrlbit']}" if "ctrlbit" in options else ""
        wire = f" {options['wire']}[{options['wirebit']}]" if "wire" in options else ""
        return cls(command, f"{options['mode']}{control}{wire} at {port} of {cell}")

    @property
    def clocks(self) -> bool:
        """Whether it would change a clock, which no check of function is about."""
        return " -port CLK " in f"{self.command} "
