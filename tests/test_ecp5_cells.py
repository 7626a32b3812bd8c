"""Models of ECP5 cells: tables of cases."""

from sim.component import run_component_test
from sim.ecp5.bench import TOP, cell_bench
from sim.ecp5.cells import ecp5_models


def test_every_cell_behaves_as_its_table_says() -> None:
    run_component_test(ecp5_models(contents=True) + "\n" + cell_bench(), TOP, "sim.cocotb_ecp5_cells")
