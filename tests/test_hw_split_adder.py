"""The split adder alone."""

import pytest

from hw.family import Family
from hw.split_adder import SplitAdder
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


# Blocks of a single word read their slot again after four cycles, the shortest distance.
@pytest.mark.parametrize(
    ("segment", "tokens", "psum_width", "family"),
    often(
        [(*shape, family) for shape in ((4, 3, 32), (2, 1, 32), (4, 3, 16)) for family in Family],
        [(4, 3, 32, Family.ECP5)],
    ),
)
def test_split_adder_sums_parts(segment: int, tokens: int, psum_width: int, family: Family) -> None:
    arch = ArchConfig(
        clusters=3, lanes=2, tokens=tokens, segment=segment, split_slots=4, psum_width=psum_width
    )

    simulate_subject(SplitAdder(arch), "sim.cocotb_split_adder", arch, family)
