"""Testbench of the queue in block RAM."""

from typing import Any, Final

import cocotb

from hw.block_queue import BlockQueue
from sim.ports import Ports
from sim.queue_order import check_order
from sim.streams import start

WIDTH: Final = 40
DEPTH: Final = 8
QUEUE: Final = BlockQueue(WIDTH, DEPTH)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5, 0.9])
async def entries_leave_in_order(dut: Any, stall_i: float, stall_o: float) -> None:
    await check_order(dut, QUEUE, WIDTH, DEPTH, stall_i, stall_o)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def an_entry_takes_three_cycles_and_one_follows_in_each(dut: Any) -> None:
    """Latency through an empty queue, then an entry in every cycle."""
    ports = Ports(dut, QUEUE)
    await start(dut)
    ports.hold(o__ready=1)

    seen = [await ports.cycle(i__valid=1, i__payload=n) for n in range(50)]

    late = BlockQueue.LATENCY
    assert [out["o__valid"] for out in seen] == [0] * late + [1] * (50 - late)
    assert [out["o__payload"] for out in seen[late:]] == list(range(50 - late))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def the_entry_in_front_waits_unchanged(dut: Any) -> None:
    """Nothing moves while nobody takes it, however full the queue is; then all leave without a gap."""
    ports = Ports(dut, QUEUE)
    await start(dut)
    for n in range(DEPTH):
        await ports.cycle(i__valid=1, i__payload=n + 1)
    seen = await ports.cycles(10)
    assert [out["o__payload"] for out in seen[BlockQueue.LATENCY :]] == [1] * (10 - BlockQueue.LATENCY)

    ports.hold(o__ready=1)
    left = [(out["o__valid"], out["o__payload"]) for out in await ports.cycles(DEPTH + 1)]

    assert left[:DEPTH] == [(1, n + 1) for n in range(DEPTH)]
    assert not left[DEPTH][0]
