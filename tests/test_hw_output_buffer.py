"""The output buffer alone."""

import pytest

from hw.output_buffer import OutputBuffer
from sim.subject import simulate_subject
from spec.arch import ArchConfig


# L psums are two stream words, half of one, and one of three psums of a block.
@pytest.mark.parametrize(("lanes", "segment", "tokens"), [(4, 8, 3), (1, 2, 2), (1, 1, 3)])
def test_output_buffer_packs_offers_and_frees_blocks(lanes: int, segment: int, tokens: int) -> None:
    arch = ArchConfig(clusters=2, lanes=lanes, tokens=tokens, segment=segment)

    simulate_subject(OutputBuffer(arch), "sim.cocotb_output_buffer", arch)
