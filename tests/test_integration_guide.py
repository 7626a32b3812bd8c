"""docs/integration.md: its templates name the ports that there are."""

import json
import re
from pathlib import Path

import pytest

from hw.emit import emit_interface, top_module
from spec.arch import ArchConfig
from spec.bus import Bus

GUIDE = (Path(__file__).resolve().parent.parent / "docs" / "integration.md").read_text()
TEMPLATE = re.compile(r"```verilog\n(\w+) \w+ \((.*?)\);\n```", re.DOTALL)


@pytest.mark.parametrize("bus", [Bus.AXI, Bus.WISHBONE])
def test_templates_connect_every_port(bus: Bus) -> None:
    templates = dict(TEMPLATE.findall(GUIDE))
    described = json.loads(emit_interface(ArchConfig.load("tiny"), bus))

    connected = re.findall(r"\.(\w+)\(", templates[top_module(bus)])

    assert sorted(connected) == sorted(port["name"] for port in described["ports"])
