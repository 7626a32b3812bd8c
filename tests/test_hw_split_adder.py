"""The split adder alone."""

import pytest

from hw.split_adder import SplitAdder
from sim.subject import simulate_subject
from spec.arch import ArchConfig


# Blocks of a single word read their slot again after four cycles, the shortest distance.
@pytest.mark.parametrize(("segment", "tokens"), [(4, 3), (2, 1)])
def test_split_adder_sums_parts(segment: int, tokens: int) -> None:
    arch = ArchConfig(clusters=3, lanes=2, tokens=tokens, segment=segment, split_slots=4)

    simulate_subject(SplitAdder(arch), "sim.cocotb_split_adder", arch)
