"""The beat issuer alone."""

import pytest

from hw.beat_issuer import BeatIssuer
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(("lanes", "segment"), often([(4, 16), (1, 1)], [(4, 16)]))
def test_beat_issuer_walks_live_groups_into_alternating_banks(lanes: int, segment: int) -> None:
    arch = ArchConfig(clusters=1, lanes=lanes, tokens=1, segment=segment, activation_depth=16, value_depth=64)

    simulate_subject(BeatIssuer(arch), "sim.cocotb_beat_issuer", arch)
