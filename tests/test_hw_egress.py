"""The egress alone."""

import pytest

from hw.egress import Egress
from sim.subject import simulate_subject
from spec.arch import ArchConfig


@pytest.mark.parametrize("stream_width", [64, 1024])
def test_egress_completes_answers(stream_width: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, stream_width=stream_width)

    simulate_subject(Egress(arch, 8), "sim.cocotb_egress", arch)
