"""What is changed in a netlist before it is placed."""

import json
from pathlib import Path
from typing import Any

from boards.netlist import former_name, tidy_netlist


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
        "gate": {"type": "LUT4", "parameters": {"INIT": "0" * 16}, "connections": {"A": [5], "Z": [6]}},
    }
    module = {"ports": {"o": {"bits": [4, 6]}}, "cells": cells}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))

    assert tidy_netlist(path) == 2

    changed = json.loads(path.read_text())["modules"]["top"]
    wanted = json.loads(json.dumps(module))
    wanted["cells"]["first"]["connections"]["CIN"] = ["x"]
    wanted["cells"]["last"]["connections"]["COUT"] = ["x"]
    assert changed == wanted
    assert tidy_netlist(path) == 0


def test_a_first_carry_cell_counts_by_what_its_constants_leave_of_its_table(tmp_path: Path) -> None:
    both, sums = 0x0008, 0x6A6A
    made = [cell(both, "0", 1), cell(both, "0", 1), cell(both, "0", 1), cell(sums, "0", 1)]
    for pin, one in zip(("1", 7, "1", "1"), made, strict=True):
        one["connections"] |= {"B0": [92], "D0": [pin]}
    made[2]["connections"] |= {"S0": [8]}
    cells = {f"carry{n}": one for n, one in enumerate(made)}
    module = {"ports": {"o": {"bits": [1, 8]}}, "cells": cells}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))

    assert tidy_netlist(path) == 1

    changed = json.loads(path.read_text())["modules"]["top"]["cells"]
    assert [one["connections"]["CIN"] for one in changed.values()] == [["x"], ["0"], ["0"], ["0"]]


def table(function: int, pins: list[int | str], output: int) -> dict[str, Any]:
    """A lookup table of the inputs A to D."""
    connections = {pin: [bit] for pin, bit in zip("ABCD", pins, strict=True)} | {"Z": [output]}
    return {"type": "LUT4", "parameters": {"INIT": f"{function:016b}"}, "connections": connections}


def register(clear: int | str, output: int, mux: str = "LSR") -> dict[str, Any]:
    connections = {"CE": [80], "CLK": [81], "DI": [82], "LSR": [clear], "Q": [output]}
    return {"type": "TRELLIS_FF", "parameters": {"CEMUX": "CE", "LSRMUX": mux}, "connections": connections}


def test_registers_invert_their_clear_themselves(tmp_path: Path) -> None:
    cells = {
        "inverter": table(0x00FF, ["0", "0", "0", 10], 20),
        "cleared": register(20, 50),
        "cleared_too": register(20, 51),
        # Of its two inputs one is constant, and with that 1 the other is inverted.
        "nand": table(0x7777, ["1", 11, "0", "0"], 21),
        "cleared_by_nand": register(21, 52),
        "taken_elsewhere": table(0x5555, [12, "0", "0", "0"], 22),
        "cleared_beside": register(22, 53),
        "taker": table(0x8888, [22, 13, "0", "0"], 23),
        "follower": table(0xFF00, ["0", "0", "0", 10], 24),
        "cleared_by_follower": register(24, 54),
        "gate": table(0x1111, [10, 11, "0", "0"], 25),
        "cleared_by_gate": register(25, 55),
        "never": register("0", 56),
        "inverts_already": register(20, 57, "INV"),
    }
    module = {"ports": {"o": {"bits": [23, 50, 51]}}, "cells": cells}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))

    tables, cleared = 1, 7
    assert tidy_netlist(path) == tables + cleared

    changed = json.loads(path.read_text())["modules"]["top"]
    changed["cells"] = {former_name(name): one for name, one in changed["cells"].items()}
    wanted = json.loads(json.dumps(module))
    del wanted["cells"]["nand"]
    for name, source in (
        ("cleared", 10),
        ("cleared_too", 10),
        ("cleared_by_nand", 11),
        ("cleared_beside", 12),
    ):
        wanted["cells"][name]["parameters"]["LSRMUX"] = "INV"
        wanted["cells"][name]["connections"]["LSR"] = [source]
    assert changed == wanted
    assert tidy_netlist(path) == 0


def test_registers_of_one_clear_come_last_and_in_a_row(tmp_path: Path) -> None:
    cells = {
        "a": register(20, 50),
        "b": register(21, 51),
        "c": register("0", 52),
        "part.d": register(20, 53, "INV"),
        "e": register(20, 54),
        "sum": cell(0x6A6A, 1, 2),
        "z": register("1", 55),
    }
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": {"o": {"bits": [2]}}, "cells": cells}}}))

    assert tidy_netlist(path) == 4

    changed = json.loads(path.read_text())["modules"]["top"]["cells"]
    order = [former_name(name) for name in sorted(changed)]
    assert order[:3] == ["c", "sum", "z"] and set(order[3:]) == {"a", "b", "part.d", "e"}
    assert abs(order.index("a") - order.index("e")) == 1
    assert {former_name(name): one for name, one in changed.items()} == cells
    assert former_name("cluster.sum") == "cluster.sum"
