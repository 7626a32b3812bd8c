"""The byte link: frames, identities, UARTs, and what a host makes of a line that does not answer."""

import os
import pty
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.sim import Simulator

from boards.faulty_line import Fault, FaultyLine
from boards.host import Board
from boards.line import SerialLine
from boards.platform_top import uart_divisor
from boards.session import Session
from boards.uart import UartReceiver, UartTransmitter
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError, LinkError
from spec.link import Frame, FrameReader, Identity, Kind, encode_frame
from spec.presets import PRESETS

ARCH = ArchConfig.load("tiny")


def random_frame(rng: random.Random) -> Frame:
    payload = bytes(
        rng.choice([0x7D, 0x7E, 0x5D, 0x5E, rng.randrange(256)]) for _ in range(rng.randrange(40))
    )
    session, offset, taken, room = (rng.randrange(1 << 16) for _ in range(4))
    return Frame(session, rng.choice(list(Kind)), offset, taken, room, payload)


def test_frames_come_back_in_any_pieces() -> None:
    rng = random.Random("pieces")
    frames = [random_frame(rng) for _ in range(200)]
    data = b"".join(map(encode_frame, frames))
    reader, found, start = FrameReader(), [], 0
    while start < len(data):
        end = start + rng.randrange(1, 30)
        found += reader.read(data[start:end])
        start = end

    assert found == frames
    assert reader.damaged == 0


@pytest.mark.parametrize("fault", Fault)
def test_a_frame_with_one_fault_is_dropped_and_the_next_one_read(fault: Fault) -> None:
    rng = random.Random(f"fault-{fault}")
    for _ in range(300):
        frame, after = random_frame(rng), random_frame(rng)
        data = bytearray(encode_frame(frame))
        place = rng.randrange(1, len(data) - 1)
        if fault is Fault.LOST:
            # One byte less of a run of equal ones is one byte less wherever it was.
            del data[place]
        elif fault is Fault.DOUBLED:
            data.insert(place, data[place])
        else:
            data[place] ^= 1 << rng.randrange(8)

        found = FrameReader().read(bytes(data) + encode_frame(after))

        assert found[-1] == after
        assert frame not in found or found == [frame, after]
        assert all(one in (frame, after) for one in found)


def test_identities_carry_every_architecture() -> None:
    for name in PRESETS:
        identity = Identity("board", ArchConfig.load(name), 512, 2048)
        assert Identity.decode(identity.encode()) == identity


@pytest.mark.parametrize(
    ("place", "message"),
    [(0, "not a mixvec board"), (4, "version 254 of the link, not 1"), (26, "CRC"), (-1, "legal|CRC")],
)
def test_a_wrong_identity_is_refused(place: int, message: str) -> None:
    payload = bytearray(Identity("board", ARCH, 512, 2048).encode())
    payload[place] ^= 0xFF
    with pytest.raises(FormatError, match=message):
        Identity.decode(bytes(payload))


class Loop(Elaboratable):
    """A transmitter with its line at a receiver."""

    def __init__(self, sender: int, receiver: int) -> None:
        self.sender, self.receiver = UartTransmitter(sender), UartReceiver(receiver)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sender, m.submodules.receiver = self.sender, self.receiver
        m.d.comb += self.receiver.line.eq(self.sender.line)
        return m


@pytest.mark.parametrize(("sender", "receiver"), [(4, 4), (7, 7), (25, 25), (50, 51), (51, 50)])
def test_every_byte_crosses_a_line_of_nearly_equal_rates(sender: int, receiver: int) -> None:
    rng = random.Random(sender)
    sent = [0, 255, 0x55, 0xAA, *(rng.randrange(256) for _ in range(8))]
    loop = Loop(sender, receiver)
    received: list[int] = []

    async def bench(context: Any) -> None:
        waiting = list(sent)
        for _ in range((len(sent) + 1) * 10 * sender + 30):
            context.set(loop.sender.i.valid, bool(waiting))
            if waiting:
                context.set(loop.sender.i.payload, waiting[0])
            taken = context.get(loop.sender.i.ready)
            await context.tick()
            if waiting and taken:
                waiting.pop(0)
            if context.get(loop.receiver.valid):
                received.append(context.get(loop.receiver.payload))

    simulator: Any = Simulator(loop)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert received == sent


def test_a_uart_needs_four_cycles_per_bit_and_a_near_multiple() -> None:
    with pytest.raises(ConfigError, match="at least 4 clock cycles per bit, not 3"):
        uart_divisor(3)
    with pytest.raises(ConfigError, match=r"12\.5 MHz makes no 1000000 baud within 2 %"):
        uart_divisor(12.5)
    assert uart_divisor(48) == 48


@pytest.fixture
def silent() -> Iterator[str]:
    """A serial port whose other end says nothing."""
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_board_that_never_answers_is_given_up(silent: str) -> None:
    line = SerialLine(silent, 1_000_000)
    started = time.monotonic()
    with pytest.raises(LinkError, match=f"nothing answers on {silent} in 3 tries; check"):
        Session(line, timeout=0.01, attempts=3).connect()
    assert time.monotonic() - started < 2
    line.close()


def test_a_port_has_one_host(silent: str) -> None:
    line = SerialLine(silent, 1_000_000)
    with pytest.raises(ConfigError, match=f"port {silent} cannot be opened"):
        Board.open(silent)
    line.close()


def test_a_missing_port_is_named() -> None:
    with pytest.raises(ConfigError, match="port /dev/nowhere cannot be opened: no such file"):
        Board.open("/dev/nowhere")


class Script:
    """A line whose board has already said what it says to CONNECT."""

    name = "script"

    def __init__(self, *replies: Frame) -> None:
        self.replies = list(replies)

    def send(self, data: bytes) -> None:
        (self.request,) = FrameReader().read(data)

    def receive(self, seconds: float) -> bytes:
        reply = self.replies.pop(0)
        return encode_frame(replace(reply, session=reply.session or self.request.session))

    def clear(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_late_reply_to_the_host_before_does_not_end_a_new_session() -> None:
    identity = Identity("board", ARCH, 512, 512)
    session = Session(Script(Frame(7, Kind.STRANGER), Frame(0, Kind.CONNECT, payload=identity.encode())))

    assert session.connect() == identity


def test_a_line_without_faults_changes_nothing() -> None:
    class Echo:
        name = "echo"

        def __init__(self) -> None:
            self.data = b""

        def send(self, data: bytes) -> None:
            self.data += data

        def receive(self, seconds: float) -> bytes:
            return self.data

        def clear(self) -> None:
            self.data = b""

        def close(self) -> None:
            pass

    echo = Echo()
    clean = FaultyLine(echo, rate=0.0, rng=random.Random(0))
    clean.send(bytes(range(256)))
    assert clean.receive(0.0) == bytes(range(256))
    noisy = FaultyLine(echo, rate=0.5, rng=random.Random(0), faults=(Fault.LOST,))
    assert len(noisy.receive(0.0)) == 256 - noisy.injected[Fault.LOST] < 200
