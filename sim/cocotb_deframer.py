"""Testbench of the deframer."""

import random
import zlib
from typing import Any, Final

import cocotb

from hw.deframer import Deframer
from sim.ports import Ports
from sim.streams import StreamSink, StreamSource, start
from sim.subject import subject_arch
from spec.packet import STUFF_BYTES, SYNC_BYTES, Header, Opcode, frame_packet

ARCH: Final = subject_arch()
WORD_BYTES: Final = ARCH.stream_width // 8
SYNC: Final = int.from_bytes(SYNC_BYTES * (WORD_BYTES // 8), "little")
STUFF: Final = int.from_bytes(STUFF_BYTES * (WORD_BYTES // 8), "little")


def words_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[n : n + WORD_BYTES], "little") for n in range(0, len(data), WORD_BYTES)]


def random_payload(rng: random.Random) -> list[int]:
    """Words among which SYNC, STUFF and their neighbours are common."""
    near = [SYNC, STUFF, SYNC ^ 1, SYNC ^ 1 << (ARCH.stream_width - 1)]
    return [rng.choice([*near, rng.getrandbits(ARCH.stream_width)]) for _ in range(rng.randrange(12))]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5], lazy=[False, True])
async def packets_come_out_without_their_framing(
    dut: Any, stall_i: float, stall_o: float, lazy: bool
) -> None:
    """Header first, then payload and CRC, stuffed words restored; every stream word is accounted for."""
    rng = random.Random(f"frames-{stall_i}-{stall_o}")
    stream, expected = b"", []
    for _ in range(40):
        payload = random_payload(rng)
        header = Header(Opcode.VALUES, length=len(payload), tag=rng.randrange(256))
        data = b"".join(word.to_bytes(WORD_BYTES, "little") for word in payload)
        stream += frame_packet(header, data, WORD_BYTES)
        body = header.encode().to_bytes(WORD_BYTES, "little") + data
        expected += [(word, n == 0) for n, word in enumerate([*words_of(body), zlib.crc32(body)])]
    ports = Ports(dut, Deframer(ARCH))
    source = StreamSource(dut, "i", stall=stall_i, rng=rng)
    sink = StreamSink(dut, "o", stall=stall_o, lazy=lazy, rng=rng)
    await start(dut)

    source.send(words_of(stream))

    seen = [ports.decode("o__payload", await sink.receive()) for _ in expected]
    assert [(word["data"], word["first"]) for word in seen] == expected
    assert sum(word["words"] for word in seen) == len(stream) // WORD_BYTES
    await ports.cycles(20)
    assert sink.received == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_packet_is_found_after_any_damage(dut: Any) -> None:
    """Garbage passes unmarked; a SYNC cuts a packet short; STUFF counts only right behind SYNC."""
    ports = Ports(dut, Deframer(ARCH))
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    await start(dut)
    sent = [5, STUFF, SYNC, 7, 8, SYNC, SYNC, 9, SYNC, STUFF, STUFF, 10]

    source.send(sent)

    wanted = [(5, 0), (STUFF, 0), (7, 1), (8, 0), (9, 1), (SYNC, 0), (STUFF, 0), (10, 0)]
    seen = [ports.decode("o__payload", await sink.receive()) for _ in wanted]
    assert [(word["data"], word["first"]) for word in seen] == wanted


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_word_passes_in_every_cycle(dut: Any) -> None:
    """Its latency through, and none lost."""
    ports = Ports(dut, Deframer(ARCH))
    await start(dut)
    ports.hold(o__ready=1)

    seen = [await ports.cycle(i__valid=1, i__payload=n) for n in range(100)]

    assert all(out["i__ready"] for out in seen)
    words = [out["o__payload"]["data"] for out in seen if out["o__valid"]]
    assert words == list(range(100 - Deframer.LATENCY))
