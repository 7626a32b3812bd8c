"""Testbench of the egress."""

import random
from typing import Any, Final

import cocotb

from hw.egress import Egress
from hw.shapes import ItemKind
from sim.ports import Ports
from sim.streams import StreamSink, start
from sim.subject import subject_arch
from spec.packet import Header, Opcode, read_answers

ARCH: Final = subject_arch()
DEPTH: Final = 8
WORD_BYTES: Final = ARCH.stream_width // 8
BLOCK: Final = (ItemKind.BLOCK_HEADER, ItemKind.BLOCK_DATA, ItemKind.BLOCK_TRAILER)
STATUS: Final = (ItemKind.STATUS_HEADER, ItemKind.STATUS_DATA, ItemKind.STATUS_TRAILER)


def random_packet(rng: random.Random) -> tuple[list[dict[str, int]], Header, bytes]:
    """Items of one packet, a third of them parts that are not emitted; what it must come out as."""
    kinds = rng.choice([BLOCK, STATUS])
    emit = int(kinds is STATUS or rng.random() < 0.6)
    words = [rng.getrandbits(ARCH.stream_width) for _ in range(rng.randrange(6))]
    header = Header(rng.choice([Opcode.PSUMS, Opcode.DONE]), length=len(words), tag=rng.randrange(256))
    trailer = (kinds[2], rng.getrandbits(32))
    sequence = [(kinds[0], header.encode()), *((kinds[1], word) for word in words), trailer]
    items = [{"kind": kind.value, "word": word, "emit": emit} for kind, word in sequence]
    return items, header, b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5, 0.9], lazy=[False, True])
async def answers_leave_with_their_crc(dut: Any, stall_i: float, stall_o: float, lazy: bool) -> None:
    """Every emitted packet is whole and undamaged, and every item's credit comes back."""
    rng = random.Random(f"answers-{stall_i}-{stall_o}")
    packets = [random_packet(rng) for _ in range(60)]
    items = [item for sequence, _, _ in packets for item in sequence]
    emitted = [(header, payload) for sequence, header, payload in packets if sequence[0]["emit"]]
    ports = Ports(dut, Egress(ARCH, DEPTH))
    sink = StreamSink(dut, "o", stall=stall_o, lazy=lazy, rng=rng)
    await start(dut)
    credits, sent = DEPTH, 0

    while sent < len(items) or credits < DEPTH:
        item: dict[str, int] = {}
        if sent < len(items) and credits and rng.random() >= stall_i:
            item = items[sent]
            sent, credits = sent + 1, credits - 1
        out = await ports.cycle(**item)
        credits += out["credit"]
        assert credits <= DEPTH

    data = b"".join([(await sink.receive()).to_bytes(WORD_BYTES, "little") for _ in range(sink.received)])
    answers = list(read_answers(data, WORD_BYTES))
    assert [(answer.header, answer.payload) for answer in answers] == emitted


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_word_leaves_in_every_cycle(dut: Any) -> None:
    """A packet without stalls comes out without gaps."""
    ports = Ports(dut, Egress(ARCH, 32))
    await start(dut)
    ports.hold(o__ready=1)

    seen = [await ports.cycle(kind=ItemKind.BLOCK_DATA.value, emit=1, word=n) for n in range(100)]

    words = [out["o__payload"] for out in seen if out["o__valid"]]
    assert words == list(range(len(words)))
    assert len(words) == len(seen) - Egress.LATENCY
