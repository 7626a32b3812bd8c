"""One token column alone."""

import pytest

from hw.column import Column
from hw.family import Family
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(
    ("weight_width", "psum_width", "family"),
    often(
        [(*widths, family) for widths in ((8, 32), (3, 18)) for family in Family],
        [(8, 32, Family.GENERIC)],
    ),
)
def test_column_multiplies_and_drains_in_both_directions(
    weight_width: int, psum_width: int, family: Family
) -> None:
    arch = ArchConfig(
        clusters=1,
        lanes=4,
        tokens=3,
        segment=8,
        weight_width=weight_width,
        psum_width=psum_width,
        activation_depth=4,
        value_depth=16,
    )

    simulate_subject(Column(arch), "sim.cocotb_column", arch, family)
