"""Netlists of ECP5 cells: parts of the array after synthesis, in their own testbenches."""

import os
from pathlib import Path
from typing import Any

import pytest

from boards.place_route import netlist_ecp5, netlist_ice40
from codesign.gates import cell_counts, cell_models
from hw.emit import emit_component
from hw.family import Family
from hw.memory import BlockMemory
from hw.multiplier import Multiplier
from hw.split_adder import SplitAdder
from sim.cocotb_memory import SHAPE
from sim.ecp5.cells import ecp5_models
from sim.subject import run_subject
from spec.arch import ArchConfig


def netlist(component: Any, family: Family, folder: Path) -> str:
    return netlist_ecp5(emit_component(component, "subject", family), "subject", folder)


def test_the_split_adder_sums_parts_after_synthesis(tmp_path: Path) -> None:
    """Block RAM placed by the array; lookup tables, carry chains and registers chosen by yosys."""
    arch = ArchConfig(clusters=3, lanes=2, tokens=1, segment=2, split_slots=4)
    text = netlist(SplitAdder(arch), Family.ECP5, tmp_path)
    assert {"CCU2C", "LUT4", "PDPW16KD", "TRELLIS_FF"} <= set(cell_counts(text))

    run_subject(text + "\n" + ecp5_models(), "sim.cocotb_split_adder", arch)


def test_a_memory_that_yosys_maps_answers_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second opinion on pins and widths: here yosys connects the block RAM, not the array."""
    monkeypatch.setitem(os.environ, SHAPE, "20 700")
    text = netlist(BlockMemory(20, 700), Family.GENERIC, tmp_path)
    assert "DP16KD" in cell_counts(text)

    run_subject(text + "\n" + ecp5_models(contents=True), "sim.cocotb_memory")


def test_a_product_of_ice40_is_that_of_the_cell_in_yosys_own_words(tmp_path: Path) -> None:
    text = netlist_ice40(emit_component(Multiplier(8, 4), "subject", Family.ICE40), "subject", tmp_path)
    assert "SB_MAC16" in cell_counts(text)

    run_subject(text + "\n" + cell_models(text, Family.ICE40), "sim.cocotb_multiplier")


def test_cells_are_counted_by_name() -> None:
    text = "  LUT4 #(\n  ) a (\n  );\n  LUT4 #(\n  ) b (\n  );\n  SGSR c (\n  );\n  wire x;\n"

    assert cell_counts(text) == {"LUT4": 2, "SGSR": 1}
