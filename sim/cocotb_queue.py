"""Testbench of the queue: 16-bit entries, four in its memory."""

from typing import Any, Final

import cocotb

from hw.queue import Queue
from sim.ports import Ports
from sim.queue_order import check_order
from sim.streams import start

DEPTH: Final = 4
QUEUE: Final = Queue(16, DEPTH)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5, 0.9])
async def entries_leave_in_order(dut: Any, stall_i: float, stall_o: float) -> None:
    await check_order(dut, QUEUE, 16, DEPTH, stall_i, stall_o)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def an_entry_takes_two_cycles_and_one_follows_in_each(dut: Any) -> None:
    """Latency through an empty queue, then an entry in every cycle."""
    ports = Ports(dut, QUEUE)
    await start(dut)
    ports.hold(o__ready=1)

    seen = [await ports.cycle(i__valid=1, i__payload=n) for n in range(50)]

    assert all(out["i__ready"] for out in seen)
    assert [out["o__valid"] for out in seen] == [0] * Queue.LATENCY + [1] * (50 - Queue.LATENCY)
    assert [out["o__payload"] for out in seen[Queue.LATENCY :]] == list(range(50 - Queue.LATENCY))


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(entries=[1, 3, 4])
async def clear_forgets_every_entry(dut: Any, entries: int) -> None:
    """Nothing sent before a clear leaves after it, and the whole memory is free again."""
    ports = Ports(dut, QUEUE)
    await start(dut)
    for n in range(entries):
        await ports.cycle(i__valid=1, i__payload=n)

    await ports.cycle(clear=1)

    assert not any(out["o__valid"] for out in await ports.cycles(5))
    for n in range(100, 100 + DEPTH):
        await ports.cycle(i__valid=1, i__payload=n)
    ports.hold(o__ready=1)
    left = [out["o__payload"] for out in await ports.cycles(20) if out["o__valid"]]
    assert left == list(range(100, 100 + DEPTH))
