"""The decompressor alone."""

from hw.decompressor import Decompressor
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_decompressor_turns_records_into_vectors() -> None:
    arch = ArchConfig(
        clusters=1,
        lanes=2,
        tokens=1,
        segment=8,
        activation_depth=128,
        value_depth=256,
        record_depth=16,
        block_depth=4,
    )

    simulate_subject(Decompressor(arch), "sim.cocotb_decompressor", arch)
