"""The collector alone."""

from hw.collector import Collector
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_collector_fetches_blocks_in_turn_and_jobs_in_order() -> None:
    arch = ArchConfig(clusters=3, lanes=2, tokens=2, segment=4, block_depth=4)

    simulate_subject(Collector(arch, 8), "sim.cocotb_collector", arch)
