"""Which signals of the accelerator's Verilog Verilator counts toggles of."""

import re
from typing import Final

__all__ = ["counted"]

_DECLARED: Final = r"  (?:input |output )?(?:wire|reg) (?:signed )?(?:\[\d+:\d+\] )?"
_UNCOUNTED: Final = re.compile(
    # Results inside an expression: no signal of the source, and read by one.
    _DECLARED + r"\\\$\d+ .*;"
    # Set once, for a simulator that is not this one.
    "|" + _DECLARED + r"time_zero\b.*;"
    # Memories: every word would count.
    "|" + _DECLARED + r"\S+ +\[\d+:\d+\];"
    # A field of a payload, whose bits count there.
    "|" + _DECLARED + r"\\\w+\.\S* ;"
)


def counted(verilog: str) -> str:
    """Return ``verilog`` with comments that keep Verilator from counting what is no signal, or counts twice.

    Lines keep their numbers.
    """
    return "\n".join(
        f"/*verilator coverage_off*/{line}/*verilator coverage_on*/" if _UNCOUNTED.fullmatch(line) else line
        for line in verilog.split("\n")
    )
