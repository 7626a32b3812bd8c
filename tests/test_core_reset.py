"""Reset of the whole core."""

from pathlib import Path

from hw.emit import TOP_MODULE, emit_verilog
from spec.arch import ArchConfig
from tests.wrapper_jobs import simulate_jobs


def test_a_short_reset_reaches_every_cluster(tmp_path: Path) -> None:
    arch = ArchConfig(clusters=5, lanes=2, tokens=1)

    simulate_jobs(emit_verilog(arch), TOP_MODULE, "sim.cocotb_core_reset", arch, tmp_path)
