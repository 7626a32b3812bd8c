"""Names of signals in the text that goes to synthesis."""

import re
from typing import Final

__all__ = ["part_names"]

_ELEMENT: Final = re.compile(r"\\(\S*\[\d+\]\S*)(?=\s)")


def part_names(text: str) -> str:
    """Return Verilog in which no signal is called as a bit of another is.

    Amaranth calls the elements of an array `a` `a[3]`. yosys 0.70 has joined the first bit of such an element
    with bit 3 of `a`, in a few of many places where both were left: two registers then drive one net.
    """
    found = _ELEMENT.findall(text)
    names = {}
    for name in sorted(set(found)):
        plain = name.replace("[", "_element_").replace("]", "")
        while plain in text:
            plain += "_"
        names[name] = plain
    return _ELEMENT.sub(lambda match: "\\" + names[match[1]], text)
