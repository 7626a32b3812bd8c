"""The block memory alone."""

from hw.memory import BlockMemory
from sim.subject import simulate_subject


def test_memory_answers_after_two_cycles() -> None:
    simulate_subject(BlockMemory(16, 6), "sim.cocotb_memory")
