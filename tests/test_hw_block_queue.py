"""The queue in block RAM alone."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from hw.block_queue import BlockQueue
from hw.family import Family
from hw.pipeline import delay
from hw.queue import Queue
from sim.subject import simulate_subject

WIDTH, DEPTH = 40, 8


@pytest.mark.parametrize("family", [Family.GENERIC, Family.ECP5])
def test_block_queue_keeps_order_and_fills_up(family: Family) -> None:
    simulate_subject(BlockQueue(WIDTH, DEPTH), "sim.cocotb_block_queue", family=family)


@pytest.mark.parametrize("ready", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("valid", [0.1, 0.5, 1.0])
def test_entries_leave_as_they_leave_a_queue_behind_a_register(valid: float, ready: float) -> None:
    m, rng = Module(), random.Random(f"alike-{valid}-{ready}")
    m.submodules.block, m.submodules.plain = block, plain = BlockQueue(8, 4), Queue(8, 4)
    m.d.comb += [
        plain.i.valid.eq(delay(m, block.i.valid, 1, "valid", reset_less=False)),
        plain.i.payload.eq(delay(m, block.i.payload, 1, "payload")),
        plain.o.ready.eq(block.o.ready),
    ]

    async def bench(context: Any) -> None:
        inside = left = 0
        for number in range(400):
            sends, takes = inside < 4 and rng.random() < valid, rng.random() < ready
            context.set(block.i.valid, sends)
            context.set(block.i.payload, number % 256)
            context.set(block.o.ready, takes)
            assert context.get(block.o.valid) == context.get(plain.o.valid)
            if context.get(block.o.valid):
                assert context.get(block.o.payload) == context.get(plain.o.payload)
                inside, left = inside - takes, left + takes
            inside += sends
            await context.tick()
        assert left > 20

    simulator: Any = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
