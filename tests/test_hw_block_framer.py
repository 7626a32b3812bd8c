"""The block framer alone."""

import pytest

from hw.block_framer import BlockFramer
from sim.subject import simulate_subject
from spec.arch import ArchConfig


@pytest.mark.parametrize("output_blocks", [0, 4])
def test_block_framer_writes_headers(output_blocks: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=3, split_slots=0, output_blocks=output_blocks)

    simulate_subject(BlockFramer(arch), "sim.cocotb_block_framer", arch)
