"""Testbench of a component that returns its words unchanged: the source and sink against each other."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from sim.streams import StreamSink, StreamSource, start


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5], lazy=[False, True])
async def words_return_in_order(dut: Any, stall_i: float, stall_o: float, lazy: bool) -> None:
    """Words leave in order and unchanged, and no more of them than were sent."""
    rng = random.Random(f"order-{stall_i}-{stall_o}")
    words = [rng.getrandbits(64) for _ in range(200)]
    source = StreamSource(dut, "i", stall=stall_i, rng=rng)
    sink = StreamSink(dut, "o", stall=stall_o, lazy=lazy, rng=rng)
    await start(dut)

    source.send(words)

    assert [await sink.receive() for _ in words] == words
    await ClockCycles(dut.clk, 50)
    assert sink.received == 0
    assert source.pending == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_word_moves_in_every_cycle(dut: Any) -> None:
    """Source and sink without stalls leave no cycle unused."""
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    await start(dut)
    source.send(range(1000))
    for _ in range(20):
        await sink.receive()

    before = sink.received
    await ClockCycles(dut.clk, 500)

    assert sink.received - before == 500
