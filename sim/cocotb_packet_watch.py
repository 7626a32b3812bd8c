"""Testbench of the packet watch: random answers, word by word."""

import random
from typing import Any, Final

import cocotb

from hw.packet_watch import PacketWatch
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.packet import ErrorCode, Header, Opcode

ARCH: Final = subject_arch()
WATCH: Final = PacketWatch(ARCH)
ENDING: Final = (Opcode.DONE, Opcode.ERROR)


def packet(rng: random.Random) -> tuple[Header, list[int]]:
    """A header and all words; payload and CRC are anything, headers of other packets too."""
    opcode = rng.choice([Opcode.PSUMS, Opcode.PSUMS, Opcode.DONE, Opcode.ERROR])
    length = rng.choice([0, 0, 1, 2, 5, 300])
    header = Header(opcode, length, rng.getrandbits(8), int(rng.choice(list(ErrorCode))), rng.getrandbits(8))
    body = [
        rng.choice([Header(Opcode.DONE, 9).encode(), rng.getrandbits(ARCH.stream_width)])
        for _ in range(length + 1)
    ]
    return header, [header.encode(), *body]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5], every_packet=[0, 1])
async def ends_are_where_the_lengths_say(dut: Any, stall: float, every_packet: int) -> None:
    """`last` on the CRC of DONE and ERROR, or of every packet; one pulse per packet."""
    ports = Ports(dut, WATCH)
    await start(dut)
    rng = random.Random(f"ends-{stall}-{every_packet}")
    ports.hold(every_packet=every_packet)
    code = 0

    for _ in range(60):
        header, words = packet(rng)
        ends = header.opcode in ENDING
        for place, word in enumerate(words):
            final = place == len(words) - 1
            while rng.random() < stall:
                out = await ports.cycle(word=word)
                assert out["last"] == (final and (ends or every_packet))
                assert (out["packet"], out["answered"], out["failed"]) == (0, 0, 0)
            out = await ports.cycle(word=word, moved=1)
            assert out["last"] == (final and (ends or every_packet))
            assert out["packet"] == final
            assert out["answered"] == (final and ends)
            assert out["failed"] == (final and header.opcode == Opcode.ERROR)
        if header.opcode == Opcode.ERROR:
            code = header.argument
        assert (await ports.cycle())["code"] == code
