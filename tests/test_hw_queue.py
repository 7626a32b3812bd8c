"""The queue alone."""

from hw.queue import Queue
from sim.subject import simulate_subject


def test_queue_keeps_order_fills_up_and_forgets_when_cleared() -> None:
    simulate_subject(Queue(16, 4), "sim.cocotb_queue")
