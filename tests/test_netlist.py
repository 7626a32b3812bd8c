"""What is changed in a netlist before it is placed."""

import json
from pathlib import Path
from typing import Any

from boards.netlist import drop_idle_carries


def cell(table: int, carry_in: int | str, carry_out: int) -> dict[str, Any]:
    """A carry cell as yosys writes it, with a lookup table for its first bit."""
    return {
        "type": "CCU2C",
        "parameters": {"INIT0": f"{table:016b}"},
        "connections": {"A0": [90], "CIN": [carry_in], "COUT": [carry_out], "S1": [91]},
    }


def test_only_carries_without_a_taker_or_an_effect_are_left_open(tmp_path: Path) -> None:
    cells = {
        "first": cell(0, "0", 1),
        "last": cell(0x6A6A, 1, 2),
        "counts": cell(0x6A6A, "0", 3),
        "taken_by_a_port": cell(0, "1", 4),
        "taken_by_a_gate": cell(0, 3, 5),
        "gate": {"type": "LUT4", "parameters": {}, "connections": {"A": [5], "Z": [6]}},
    }
    module = {"ports": {"o": {"bits": [4, 6]}}, "cells": cells}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))

    assert drop_idle_carries(path) == 2

    changed = json.loads(path.read_text())["modules"]["top"]
    wanted = json.loads(json.dumps(module))
    wanted["cells"]["first"]["connections"]["CIN"] = ["x"]
    wanted["cells"]["last"]["connections"]["COUT"] = ["x"]
    assert changed == wanted
    assert drop_idle_carries(path) == 0
