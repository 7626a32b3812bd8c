"""The status packets alone."""

from hw.status import Status
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_status_writes_errors_and_done() -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1)

    simulate_subject(Status(arch, 48), "sim.cocotb_status", arch)
