"""Testbench of narrower and widener in a row: words of 64 bits to bytes and back."""

import random
from typing import Any, Final

import cocotb
from cocotb.triggers import RisingEdge

from sim.streams import StreamSink, StreamSource, start

WORD_BYTES: Final = 8


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def words_return_in_order(dut: Any, stall_i: float, stall_o: float) -> None:
    """Every word once, unchanged, and no more of them."""
    rng = random.Random(f"bytes-{stall_i}-{stall_o}")
    words = [rng.getrandbits(8 * WORD_BYTES) for _ in range(60)]
    source = StreamSource(dut, "i", stall=stall_i, rng=rng)
    sink = StreamSink(dut, "o", stall=stall_o, rng=rng)
    await start(dut)

    source.send(words)

    assert [await sink.receive() for _ in words] == words
    for _ in range(40):
        await RisingEdge(dut.clk)
    assert sink.received == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def bytes_leave_lowest_first_one_in_two_cycles(dut: Any) -> None:
    """Eight bytes in turn for each word, then a cycle for the next word."""
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    await start(dut)
    words = [0x0807060504030201 + 0x10 * n for n in range(6)]
    source.send(words)

    seen = []
    for _ in range(120):
        await RisingEdge(dut.clk)
        seen.append((int(dut.between_valid.value), int(dut.between_payload.value)))

    first = next(n for n, (valid, _) in enumerate(seen) if valid)
    for number, word in enumerate(words):
        begin = first + number * (2 * WORD_BYTES + 1)
        its = seen[begin : begin + 2 * WORD_BYTES + 1]
        assert [byte for _, byte in its[:-1:2]] == list(word.to_bytes(8, "little"))
        assert [valid for valid, _ in its] == [1, 0] * WORD_BYTES + [0]
    assert sink.received == len(words)
