"""The AXI wrapper around a whole core, driven by cocotbext-axi."""

from pathlib import Path

import pytest

from spec.bus import Bus
from tests.slices import often
from tests.wrapper_jobs import ARCHS, simulate_wrapper


@pytest.mark.parametrize("name", often(ARCHS, ["tiny"]))
def test_axi_wrapper_answers_jobs_and_keeps_the_rules_of_axi(name: str, tmp_path: Path) -> None:
    simulate_wrapper(Bus.AXI, "sim.cocotb_axi_wrapper", ARCHS[name], tmp_path)
