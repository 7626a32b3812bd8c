"""The multiplier alone, as synthesis finds it and as a DSP block."""

import pytest

from hw.family import Family
from hw.multiplier import Multiplier
from sim.subject import simulate_subject


@pytest.mark.parametrize("family", Family)
def test_multiplier_gives_every_signed_product(family: Family) -> None:
    simulate_subject(Multiplier(8, 4), "sim.cocotb_multiplier", family=family)
