"""The Wishbone wrapper around a whole core."""

from pathlib import Path

import pytest

from spec.bus import Bus
from tests.slices import often
from tests.wrapper_jobs import ARCHS, simulate_wrapper


@pytest.mark.parametrize("name", often(ARCHS, ["tiny"]))
def test_wishbone_wrapper_answers_jobs_and_never_waits(name: str, tmp_path: Path) -> None:
    simulate_wrapper(Bus.WISHBONE, "sim.cocotb_wishbone_wrapper", ARCHS[name], tmp_path)
