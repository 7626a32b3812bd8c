"""What nextpnr leaves undone on Gowin: designs without places are refused, carries from logic are mended."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from boards import flow
from boards.catalog import find_board
from boards.flow import NETLIST, NoFitError, flow_of
from boards.gowin import LUT_PLACES, lut_places, mend_carries

FACTS = find_board("tang_nano_9k")
PLUS_ONE, PLUS = 0x505A, 0x609A
"""Lookup tables of an ALU that adds 1 and of one that adds two operands."""


def write_design(path: Path, cells: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return path


def cell(kind: str, parameters: dict[str, str] | None = None, **bits: int | str) -> dict[str, Any]:
    connections = {port: [bit] for port, bit in bits.items()}
    return {"type": kind, "parameters": parameters or {}, "connections": connections}


def alu(table: int, net: str | None = None) -> dict[str, Any]:
    # nextpnr writes numbers of 32 bits, and a space behind texts that could be read as one.
    kind = {} if net is None else {"CIN_NETTYPE": net}
    return cell("ALU", {"RAW_ALU_LUT": f"{table:032b}", **kind})


def carry(table: int, a: int, b: int, d: int, carry_in: int) -> int:
    """Carry out of an ALU whose third input is 1, as Gowin's table of it is laid out."""
    passes = table >> (8 * d + 4 + 2 * b + a) & 1
    return carry_in if passes else table >> (2 * b + a) & 1


def test_the_table_of_an_addition_carries_as_an_addition_does() -> None:
    for a, b, carry_in in product((0, 1), repeat=3):
        assert carry(PLUS, a, b, 1, carry_in) == (a + b + carry_in) >> 1
        assert carry(PLUS_ONE, a, b, 1, carry_in) == (a + 1 + carry_in) >> 1


def test_registers_without_a_driver_beside_them_take_places(tmp_path: Path) -> None:
    cells = {
        "lone": cell("LUT2", F=1),
        "pair": cell("LUT4", F=2),
        "behind": cell("DFFE", D=2, Q=3),
        "twin": cell("DFF", D=2, Q=4),
        "bit": cell("ALU", SUM=5, COUT=6),
        "sum": cell("DFFR", D=5, Q=7),
        "shifted": cell("DFF", D=7, Q=8),
        "constant": cell("DFF", D="0", Q=9),
        "ram": cell("RAM16SDP4"),
        "block": cell("SDPX9B", DO=10),
        "read": cell("DFF", D=10, Q=11),
    }

    # LUTs 2, adder 1, LUT RAM 8; of the registers `twin`, `shifted`, `constant` and `read`.
    assert lut_places(write_design(tmp_path / "n.json", cells)) == 2 + 1 + 8 + 4


def test_carries_from_logic_do_not_depend_on_what_lies_before_them(tmp_path: Path) -> None:
    placed = tmp_path / "placed"
    before = {"head": alu(PLUS_ONE, "LOGIC"), "one": alu(PLUS_ONE), "sum": alu(PLUS), "low": alu(PLUS, "GND")}
    write_design(placed, before)
    assert carry(PLUS_ONE, 0, 0, 0, 1) == 1

    mend_carries(placed)

    after = json.loads(placed.read_text())["modules"]["top"]["cells"]
    head = int(after["head"]["parameters"]["RAW_ALU_LUT"], 2)
    assert all(carry(head, a, *rest) == a for a, *rest in product((0, 1), repeat=4))
    assert {name: after[name] for name in ("one", "sum", "low")} == {
        name: before[name] for name in ("one", "sum", "low")
    }


def test_a_design_without_places_is_refused_before_it_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def run(name: str, arguments: Sequence[str], folder: Path, log: str) -> None:
        ran.append(name)
        report = {"fmax": {"clk": {"achieved": 30.0, "constraint": 27.0}}, "utilization": {}}
        (folder / "report.json").write_text(json.dumps(report))

    monkeypatch.setattr(flow, "run_logged", run)
    its = flow_of(FACTS)
    assert its is not None
    registers = {str(n): cell("DFF", D=n, Q=n + 1) for n in range(2, LUT_PLACES + 2)}
    write_design(tmp_path / NETLIST, registers)
    assert its.route(tmp_path, FACTS, 1).fmax_mhz == 30
    write_design(tmp_path / NETLIST, registers | {"more": cell("DFF", D=1, Q=2)})

    with pytest.raises(NoFitError) as refused:
        its.route(tmp_path, FACTS, 1)

    assert refused.value.used == {"LUT_PLACE": (7777, 7776)}
    assert len(ran) == 1


def test_a_design_is_packed_with_mended_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def run(name: str, arguments: Sequence[str], folder: Path, log: str) -> None:
        seen.append((folder / arguments[-1]).read_text())

    monkeypatch.setattr(flow, "run_logged", run)
    write_design(tmp_path / "placed", {"head": alu(PLUS_ONE, "LOGIC")})
    its = flow_of(FACTS)
    assert its is not None

    its.bits(tmp_path, FACTS)

    assert len(seen) == 1 and f"{PLUS_ONE:016b}" not in seen[0]
