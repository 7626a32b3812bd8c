"""The drain alone."""

import pytest

from hw.drain import Drain
from sim.subject import simulate_subject
from spec.arch import ArchConfig


@pytest.mark.parametrize(("segment", "tokens"), [(8, 3), (2, 1)])
def test_drain_steals_a_row_every_tokens_cycles(segment: int, tokens: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=tokens, segment=segment)

    simulate_subject(Drain(arch), "sim.cocotb_drain", arch)
