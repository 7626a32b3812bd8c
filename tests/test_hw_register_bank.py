"""The register bank alone."""

from hw.register_bank import RegisterBank
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from spec.bus import Bus


def test_register_bank_is_the_map_of_spec() -> None:
    arch = ArchConfig.load("tiny")

    simulate_subject(RegisterBank(arch, Bus.WISHBONE, 32), "sim.cocotb_register_bank", arch)
