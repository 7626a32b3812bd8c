"""The Wishbone wrapper around a whole core."""

from pathlib import Path

from spec.arch import ArchConfig
from spec.bus import Bus
from tests.wrapper_jobs import simulate_wrapper


def test_wishbone_wrapper_answers_jobs_and_never_waits(tmp_path: Path) -> None:
    simulate_wrapper(Bus.WISHBONE, "sim.cocotb_wishbone_wrapper", ArchConfig.load("tiny"), tmp_path)
