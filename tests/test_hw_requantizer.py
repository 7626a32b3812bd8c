"""The requantizer alone, as synthesis finds its multipliers and in DSP blocks."""

import pytest

from hw.family import Family
from hw.requantizer import Requantizer
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(
    ("activation_width", "psum_width", "family"),
    often(
        [(8, 32, Family.GENERIC), (8, 32, Family.ECP5), (2, 16, Family.GENERIC)],
        [(8, 32, Family.ECP5), (2, 16, Family.GENERIC)],
    ),
)
def test_requantizer_rounds_once(activation_width: int, psum_width: int, family: Family) -> None:
    arch = ArchConfig(
        clusters=1,
        lanes=1,
        tokens=1,
        activation_width=activation_width,
        psum_width=psum_width,
        output_blocks=1,
    )

    simulate_subject(Requantizer(arch), "sim.cocotb_requantizer", arch, family)
