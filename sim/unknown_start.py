"""Verilog whose registers and memories have no first value: what is left is what a reset sets."""

import re

__all__ = ["unknown_start"]

# Blocks without any input in their list start by it; it is no register of the design.
_STARTER = "time_zero"
_REGISTER = re.compile(
    rf"^(  reg (?:\[\d+:\d+\] )?(?!{_STARTER}\b)\S+ ?) = \d+'[bdh][0-9a-fx_]+;$", re.MULTILINE
)
_MEMORY = re.compile(r"^  initial for \((\w+)_row = 0; [^\n]*\n    \1\[\1_row\] = [^\n]*;\n", re.MULTILINE)


def unknown_start(verilog: str) -> str:
    """Return emitted ``verilog`` without first values of registers and of memories of zeros.

    Tables keep theirs. On a device first values hold once, after configuration; a reset later on must do
    without them.

    Raises
    ------
    ValueError
        If there is no register with a first value: the text was not written by ``hw.emit``.
    """
    text, registers = _REGISTER.subn(r"\1;", verilog)
    if not registers:
        raise ValueError("verilog has no register with a first value, so nothing would start unknown")
    return _MEMORY.sub("", text)
