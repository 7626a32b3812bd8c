"""The deframer alone."""

import pytest

from hw.deframer import Deframer
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize("stream_width", often([64, 128], [64]))
def test_deframer_finds_packets(stream_width: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, stream_width=stream_width)

    simulate_subject(Deframer(arch), "sim.cocotb_deframer", arch)
