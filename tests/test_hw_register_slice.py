"""The register slice alone."""

from hw.register_slice import RegisterSlice
from sim.subject import simulate_subject


def test_register_slice_keeps_order_and_forgets_when_cleared() -> None:
    simulate_subject(RegisterSlice(16), "sim.cocotb_register_slice")
