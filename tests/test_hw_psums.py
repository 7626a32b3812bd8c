"""The psums of one lane and token alone."""

from hw.psums import PsumBank
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_psums_accumulate_forward_and_are_captured() -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, segment=4)

    simulate_subject(PsumBank(arch, 18), "sim.cocotb_psums", arch)
