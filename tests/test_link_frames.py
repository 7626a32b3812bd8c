"""The frames that the board makes and reads are those of `spec.link`."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from boards.frame_receiver import FrameReceiver
from boards.frame_sender import FrameSender
from spec.link import Frame, Kind, encode_frame

CRC_BYTES = 2
SPECIAL = {0x7D, 0x7E}


def frames(seed: str) -> list[Frame]:
    """Frames whose bytes are often special ones, and a short one whose CRC holds one."""
    rng = random.Random(seed)
    found = []
    for _ in range(25):
        payload = bytes(
            rng.choice([0x7D, 0x7E, 0x5D, 0x5E, rng.randrange(256)]) for _ in range(rng.randrange(12))
        )
        found.append(Frame(rng.randrange(1 << 16), rng.choice(list(Kind)), 0, 7, 0x7E7D, payload))
    special = (
        frame for frame in map(numbered, range(1 << 16)) if {0x7D, 0x7E} & set(frame.body()[-CRC_BYTES:])
    )
    return [*found, next(special)]


def numbered(session: int) -> Frame:
    return Frame(session, Kind.DATA, 0, 0, 0, b"")


def simulate(component: Any, bench: Any) -> None:
    simulator: Any = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_the_board_sends_the_frames_that_the_host_would(stall: float) -> None:
    sender, rng, line = FrameSender(), random.Random(f"send-{stall}"), bytearray()
    sent = frames("send")

    async def bench(context: Any) -> None:
        bodies = [frame.body()[:-CRC_BYTES] for frame in sent]
        waiting = [(byte, n == len(body) - 1) for body in bodies for n, byte in enumerate(body)]
        # Even stalled on both sides a byte takes four cycles on average.
        for _ in range(10 * sum(len(encode_frame(frame)) for frame in sent)):
            offered = bool(waiting) and rng.random() >= stall
            context.set(sender.i.valid, offered)
            if offered:
                context.set(sender.i.payload.byte, waiting[0][0])
                context.set(sender.i.payload.last, waiting[0][1])
            context.set(sender.o.ready, rng.random() >= stall)
            if context.get(sender.o.valid) and context.get(sender.o.ready):
                line.append(context.get(sender.o.payload))
            if offered and context.get(sender.i.ready):
                waiting.pop(0)
            await context.tick()

    simulate(sender, bench)

    assert bytes(line) == b"".join(map(encode_frame, sent))


@pytest.mark.parametrize("damaged", [False, True])
def test_the_board_reads_the_frames_that_the_host_sends(damaged: bool) -> None:
    """Intact ones with their bytes; of a damaged one, that it is not."""
    receiver, sent, found = FrameReceiver(), frames("read"), list[tuple[bytes, bool]]()

    async def bench(context: Any) -> None:
        body = bytearray()
        for frame in sent:
            data = bytearray(encode_frame(frame))
            if damaged:
                # A bit that makes a plain byte another plain one.
                place = next(
                    n for n in range(1, len(data)) if data[n] ^ 1 not in (0x7D, 0x7E, data[n - 1] ^ 1)
                )
                data[place] ^= 1
            for byte in data:
                for cycle in range(3):
                    context.set(receiver.line, byte)
                    context.set(receiver.line_valid, cycle == 0)
                    await context.tick()
                    if context.get(receiver.valid):
                        body.append(context.get(receiver.payload))
                    if context.get(receiver.end):
                        if body:
                            found.append((bytes(body), bool(context.get(receiver.intact))))
                        body.clear()

    simulate(receiver, bench)

    if damaged:
        assert [intact for _, intact in found] == [False] * len(sent)
    else:
        assert found == [(frame.body(), True) for frame in sent]
