"""The activation buffer alone."""

from hw.activation_buffer import ActivationBuffer
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_activation_buffer_gives_every_token_column_its_operands() -> None:
    # Five tokens, two to a stream word: the last word is half empty.
    arch = ArchConfig(clusters=1, lanes=4, tokens=5, segment=8, activation_depth=4)

    simulate_subject(ActivationBuffer(arch), "sim.cocotb_activation_buffer", arch)
