"""The zero-skip controller alone."""

import pytest

from hw.zero_skip import ZeroSkip
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


# Three tokens of four lanes take two stream words; one lane, one group and a single segment are the ends.
@pytest.mark.parametrize(
    ("lanes", "tokens", "segment", "activation_depth"),
    often([(4, 3, 8, 8), (1, 1, 1, 8), (2, 1, 8, 4)], [(4, 3, 8, 8)]),
)
def test_zero_skip_drops_what_meets_zeros(
    lanes: int, tokens: int, segment: int, activation_depth: int
) -> None:
    arch = ArchConfig(
        clusters=1,
        lanes=lanes,
        tokens=tokens,
        segment=segment,
        activation_depth=activation_depth,
        queue_depth=8,
        value_depth=256,
    )

    simulate_subject(ZeroSkip(arch), "sim.cocotb_zero_skip", arch)
