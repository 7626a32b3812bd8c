"""The egress alone."""

import pytest

from hw.egress import Egress
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize("stream_width", often([64, 1024], [64]))
def test_egress_completes_answers(stream_width: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, stream_width=stream_width)

    simulate_subject(Egress(arch, 8), "sim.cocotb_egress", arch)
