"""The drain station alone."""

from hw.drain_station import DrainStation
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_drain_station_gates_selected_psums_onto_the_chain() -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=3)

    simulate_subject(DrainStation(arch), "sim.cocotb_drain_station", arch)
