"""Generated Verilog is accepted by yosys for three families, down to the cells of the device."""

from pathlib import Path

import pytest

from benchmarks.synthesis import FAMILIES, Synthesis, synthesize
from spec.arch import ArchConfig
from tests.slices import often

ARCH = ArchConfig(
    clusters=1,
    lanes=1,
    tokens=1,
    segment=2,
    weight_width=2,
    activation_width=4,
    activation_depth=512,
    value_depth=4096,
    record_depth=16,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)
"""Few PEs, since they repeat; activation and value memories deep enough for block RAM."""


@pytest.mark.slow
@pytest.mark.parametrize("name", often(FAMILIES, ["ecp5"]))
def test_every_cell_is_one_of_the_device(name: str, tmp_path: Path) -> None:
    done = synthesize(ARCH, FAMILIES[name], tmp_path)

    assert done.unmapped == []
    assert done.latches == []
    assert done.conflicts == []
    assert done.count("LUTs") > 0
    assert done.count("FFs") > 0
    # Activations and values, two banks each.
    assert done.count("BRAMs") >= 2


def test_unmapped_cells_latches_and_conflicts_are_seen() -> None:
    cells = {"LUT4": 3, "SB_DFFE": 2, "$_AND_": 1, "$_DLATCH_P_": 1, "LDCE": 1, "$scopeinfo": 9}
    log = "Warning: Driver-driver conflict for o [0] between cell a.O and constant 1'0\nWarning: other"
    done = Synthesis(FAMILIES["ecp5"], cells, log, 0.0)

    assert done.unmapped == ["$_AND_", "$_DLATCH_P_"]
    assert done.latches == ["$_DLATCH_P_", "LDCE"]
    assert done.conflicts == log.splitlines()[:1]
    assert done.count("LUTs") == 3
    assert Synthesis(FAMILIES["ice40"], cells, log, 0.0).count("FFs") == 2
