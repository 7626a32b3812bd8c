"""Testbench of the register slice: 16-bit transfers."""

import random
from typing import Any, Final

import cocotb

from hw.register_slice import RegisterSlice
from sim.ports import Ports
from sim.streams import StreamSink, StreamSource, start

SLICE: Final = RegisterSlice(16)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5], lazy=[False, True])
async def transfers_leave_in_order(dut: Any, stall_i: float, stall_o: float, lazy: bool) -> None:
    """Every transfer leaves once, in order and unchanged."""
    rng = random.Random(f"order-{stall_i}-{stall_o}")
    words = [rng.getrandbits(16) for _ in range(200)]
    ports = Ports(dut, SLICE)
    source = StreamSource(dut, "i", stall=stall_i, rng=rng)
    sink = StreamSink(dut, "o", stall=stall_o, lazy=lazy, rng=rng)
    await start(dut)

    source.send(words)

    assert [await sink.receive() for _ in words] == words
    await ports.cycles(20)
    assert sink.received == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def one_moves_in_every_cycle(dut: Any) -> None:
    """Latency, then a transfer in every cycle; not ready in the first cycle after reset."""
    ports = Ports(dut, SLICE)
    await start(dut)
    ports.hold(o__ready=1)

    first = await ports.cycle(i__valid=1, i__payload=99)
    seen = [await ports.cycle(i__valid=1, i__payload=n) for n in range(50)]

    assert first["i__ready"] == 0
    assert all(out["i__ready"] for out in seen)
    assert [out["o__valid"] for out in seen] == [0] * SLICE.LATENCY + [1] * (50 - SLICE.LATENCY)
    assert [out["o__payload"] for out in seen[SLICE.LATENCY :]] == list(range(50 - SLICE.LATENCY))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def it_holds_two_and_forgets_them_when_cleared(dut: Any) -> None:
    """The third has to wait; after `clear` nothing of the two is left, nor of what came with it."""
    ports = Ports(dut, SLICE)
    await start(dut)
    await ports.cycle()

    taken = [(await ports.cycle(i__valid=1, i__payload=n))["i__ready"] for n in range(5)]
    assert taken == [1, 1, 0, 0, 0]
    ports.hold(o__ready=1)
    for n in range(3):
        await ports.cycle(clear=1, i__valid=1, i__payload=40 + n)
    seen = [await ports.cycle(i__valid=1, i__payload=7 + n) for n in range(4)]

    assert [out["i__ready"] for out in seen] == [0, 1, 1, 1]
    assert [out["o__payload"] for out in seen if out["o__valid"]] == [8, 9]
