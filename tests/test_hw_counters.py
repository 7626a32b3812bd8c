"""The performance counters alone."""

from hw.counters import Counters
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_counters_sum_over_clusters_and_start_anew_with_each_layer() -> None:
    arch = ArchConfig(clusters=3, lanes=2, tokens=1, segment=8)

    simulate_subject(Counters(arch), "sim.cocotb_counters", arch)
