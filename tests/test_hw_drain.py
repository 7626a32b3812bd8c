"""The drain alone."""

import pytest

from hw.drain import Drain
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(("segment", "tokens"), often([(8, 3), (2, 1), (4, 16)], [(8, 3), (4, 16)]))
def test_drain_steals_a_row_every_row_cycles(segment: int, tokens: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=tokens, segment=segment)

    simulate_subject(Drain(arch), "sim.cocotb_drain", arch)
