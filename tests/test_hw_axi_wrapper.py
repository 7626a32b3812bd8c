"""The AXI wrapper around a whole core, driven by cocotbext-axi."""

from pathlib import Path

from spec.arch import ArchConfig
from spec.bus import Bus
from tests.wrapper_jobs import simulate_wrapper


def test_axi_wrapper_answers_jobs_and_keeps_the_rules_of_axi(tmp_path: Path) -> None:
    simulate_wrapper(Bus.AXI, "sim.cocotb_axi_wrapper", ArchConfig.load("tiny"), tmp_path)
