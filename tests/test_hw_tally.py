"""The tally alone."""

from hw.tally import Tally
from sim.cocotb_tally import MOST, PRESETS, WIDTH
from sim.subject import simulate_subject


def test_counts_are_exact_and_wrap_around() -> None:
    simulate_subject(Tally(MOST, PRESETS, WIDTH), "sim.cocotb_tally")
