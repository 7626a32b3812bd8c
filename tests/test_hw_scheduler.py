"""The scheduler alone."""

from hw.scheduler import Scheduler
from sim.subject import simulate_subject
from spec.arch import ArchConfig


def test_scheduler_tells_which_buffers_are_free() -> None:
    arch = ArchConfig(clusters=3, lanes=1, tokens=1)

    simulate_subject(Scheduler(arch), "sim.cocotb_scheduler", arch)
