"""The egress alone."""

import pytest

from hw.egress import Egress
from hw.family import Family
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(
    ("stream_width", "family"),
    often(
        [(64, Family.GENERIC), (1024, Family.GENERIC), (64, Family.ECP5), (512, Family.ECP5)],
        [(64, Family.GENERIC), (512, Family.ECP5)],
    ),
)
def test_egress_completes_answers(stream_width: int, family: Family) -> None:
    """On ECP5 the wider queue is in block RAM."""
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, stream_width=stream_width)
    assert (Egress.block_rams(arch, 8) > 0) == (stream_width >= 512)

    simulate_subject(Egress(arch, 8), "sim.cocotb_egress", arch, family)
