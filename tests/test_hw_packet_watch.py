"""The packet watch alone."""

import pytest

from hw.packet_watch import PacketWatch
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize("name", often(["tiny", "paper"], ["tiny"]))
def test_packet_watch_finds_every_end(name: str) -> None:
    arch = ArchConfig.load(name)

    simulate_subject(PacketWatch(arch), "sim.cocotb_packet_watch", arch)
