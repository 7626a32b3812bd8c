"""Testbench of the drain."""

import random
from typing import Any, Final

import cocotb

from hw.drain import Drain
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch

ARCH: Final = subject_arch()
PERIOD: Final = ARCH.row_cycles


def follow(seen: list[dict[str, Any]], block: int) -> None:
    """Check the cycles of one block, from that of its first steal on."""
    for row in range(ARCH.groups):
        for n, out in enumerate(seen[row * PERIOD : (row + 1) * PERIOD]):
            assert out["steal"] == (n == 0)
            assert out["release"] == (n == 0 and row == ARCH.groups - 1)
            assert out["valid"]
            assert out["steal_bank"] == block % 2
            if n == 0:
                assert out["steal_row"] == row


def quiet(out: dict[str, Any]) -> bool:
    return not (out["steal"] or out["release"] or out["valid"])


@cocotb.test(timeout_time=100, timeout_unit="us")
async def blocks_follow_each_other_in_their_drain_cycles(dut: Any) -> None:
    """A steal for every row, `row_cycles` apart; banks in turn; the next block right behind."""
    ports = Ports(dut, Drain(ARCH))
    await start(dut)
    ports.hold(i__valid=1, room=1)

    seen = await ports.cycles(6 * ARCH.drain_cycles)

    starts = [n for n, out in enumerate(seen) if out["i__ready"]]
    assert starts == list(range(0, len(seen), ARCH.drain_cycles))
    for block, begin in enumerate(starts[:-1]):
        # The start is registered, and so is the steal.
        follow(seen[begin + 2 :], block)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def a_block_starts_only_when_there_is_room(dut: Any, stall_i: float, stall_o: float) -> None:
    """Blocks and room come at random times; once begun, a block never pauses."""
    rng = random.Random(f"room-{stall_i}-{stall_o}")
    ports = Ports(dut, Drain(ARCH))
    await start(dut)
    seen: list[dict[str, Any]] = []
    starts: list[int] = []
    valid = room = 0
    for n in range(1500):
        if not valid:
            valid = int(rng.random() >= stall_i / 2)
        room = int(rng.random() >= stall_o)
        out = await ports.cycle(i__valid=valid, room=room)
        if out["i__ready"]:
            assert room
        # Between blocks a waiting one starts, or is held for want of room.
        idle = not starts or n - starts[-1] >= ARCH.drain_cycles
        assert out["held"] == (idle and valid and not room)
        if valid and out["i__ready"]:
            starts.append(n)
            valid = 0
        seen.append(out)

    assert len(starts) > 20
    assert all(quiet(out) for out in seen[: starts[0] + 2])
    for block, (begin, following) in enumerate(zip(starts, [*starts[1:], len(seen)], strict=True)):
        end = begin + 2 + ARCH.groups * PERIOD
        if end > len(seen):
            break
        assert following - begin >= ARCH.drain_cycles
        follow(seen[begin + 2 :], block)
        assert all(quiet(out) for out in seen[end : following + 2])


@cocotb.test(timeout_time=100, timeout_unit="us")
async def nothing_happens_without_a_block_or_room(dut: Any) -> None:
    """Room alone starts nothing, and neither does a block alone."""
    ports = Ports(dut, Drain(ARCH))
    await start(dut)

    ports.hold(room=1)
    seen = await ports.cycles(30)
    ports.hold(room=0, i__valid=1)
    seen += await ports.cycles(30)

    assert all(quiet(out) for out in seen)
    assert not any(out["i__ready"] for out in seen[30:])
