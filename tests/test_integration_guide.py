"""docs/integration.md: its tables are those of `spec`, its templates name the ports that there are."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw.emit import emit_interface, top_module
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.registers import EVENTS, REGISTERS

GUIDE = (Path(__file__).resolve().parent.parent / "docs" / "integration.md").read_text()
TEMPLATE = re.compile(r"```verilog\n(\w+) \w+ \((.*?)\);\n```", re.DOTALL)
HALF = tuple(f"{event.name}_{half}" for event in EVENTS for half in ("low", "high"))


def register_rows() -> Iterator[str]:
    """Rows of the register table, counters left out."""
    for register in REGISTERS:
        if register.name in HALF:
            continue
        name = f"`{register.name}`" + (" (Wishbone)" if len(register.buses) == 1 else "")
        head = f"| {register.offset:#04x} | {name} |"
        for field in register.fields:
            low = register.layout.offset(field.name)
            bits = str(low) if field.width == 1 else f"{low + field.width - 1}:{low}"
            access = str(register.access) if field is register.fields[0] else ""
            yield f"{head} {bits} | `{field.name}` | {access} | {field.meaning} |"
            head = "| | |"


def counter_rows() -> Iterator[str]:
    """Rows of the table of counters."""
    offsets = {register.name: register.offset for register in REGISTERS}
    for event in EVENTS:
        low, high = offsets[f"{event.name}_low"], offsets[f"{event.name}_high"]
        yield f"| {low:#04x} | {high:#04x} | `{event.name}` | {event.meaning} |"


@pytest.mark.parametrize("rows", [register_rows, counter_rows])
def test_tables_are_those_of_the_map(rows: Callable[[], Iterator[str]]) -> None:
    expected = list(rows())

    start = GUIDE.index(expected[0])
    table = GUIDE[start : GUIDE.index("\n\n", start)].splitlines()

    assert table == expected


@pytest.mark.parametrize("bus", [Bus.AXI, Bus.WISHBONE])
def test_templates_connect_every_port(bus: Bus) -> None:
    templates = dict(TEMPLATE.findall(GUIDE))
    described = json.loads(emit_interface(ArchConfig.load("tiny"), bus))

    connected = re.findall(r"\.(\w+)\(", templates[top_module(bus)])

    assert sorted(connected) == sorted(port["name"] for port in described["ports"])
