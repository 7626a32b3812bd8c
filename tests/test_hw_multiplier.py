"""The multiplier alone."""

from hw.multiplier import Multiplier
from sim.subject import simulate_subject


def test_multiplier_gives_every_signed_product() -> None:
    simulate_subject(Multiplier(8, 4), "sim.cocotb_multiplier")
