"""One token column alone."""

from hw.column import Column
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_column_multiplies_and_drains_in_both_directions() -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=3, segment=8, activation_depth=4, value_depth=16)

    simulate_subject(Column(arch), "sim.cocotb_column", arch)
