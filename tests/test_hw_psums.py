"""The psums of one lane and token alone."""

import pytest

from hw.family import Family
from hw.psums import PsumBank
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(
    ("psum_width", "family"),
    often(
        [(width, family) for width in (32, 25) for family in Family],
        [(32, Family.ECP5)],
    ),
)
def test_psums_accumulate_forward_and_are_captured(psum_width: int, family: Family) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, segment=4, psum_width=psum_width)

    simulate_subject(PsumBank(arch, 16, 18), "sim.cocotb_psums", arch, family)
