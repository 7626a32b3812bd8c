"""The output buffer alone."""

import pytest

from hw.output_buffer import OutputBuffer
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


# L psums are two stream words, half of one, and one of three psums of a block; psums of 17 bits are
# extended to 32, four of 16 bits are one stream word. Sixteen columns and more have several drain trees:
# words of four columns, half a column, and one column.
@pytest.mark.parametrize(
    ("lanes", "segment", "tokens", "psum_width"),
    often(
        [
            *((4, 8, 3, 32), (1, 2, 2, 32), (1, 1, 3, 32), (2, 8, 3, 17), (4, 8, 3, 16)),
            *((1, 2, 16, 16), (4, 16, 16, 32), (2, 2, 32, 32)),
        ],
        [(2, 8, 3, 17), (1, 2, 16, 16)],
    ),
)
def test_output_buffer_packs_offers_and_frees_blocks(
    lanes: int, segment: int, tokens: int, psum_width: int
) -> None:
    arch = ArchConfig(clusters=2, lanes=lanes, tokens=tokens, segment=segment, psum_width=psum_width)

    simulate_subject(OutputBuffer(arch), "sim.cocotb_output_buffer", arch)
