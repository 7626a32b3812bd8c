"""Testbench of deframer, packet reader and loader together: packets in, load bus and pulses out."""

import random
from dataclasses import dataclass
from typing import Any, Final

import cocotb

from hw.loader import Loader
from hw.packet_reader import PacketReader
from hw.shapes import LoadKind
from sim.ports import Ports
from sim.streams import StreamSink, StreamSource, start
from sim.subject import subject_arch
from spec.direction import Direction
from spec.packet import ErrorCode, Header, Opcode, frame_packet, length_limit

ARCH: Final = subject_arch()
WORD_BYTES: Final = ARCH.stream_width // 8
OUTPUTS: Final = ("load", "horizontal", "tag", "begin", "end", "job_valid", "job", "next_pass")
INPUTS: Final = ("activations_free", "weights_free", "idle")
KINDS: Final = {
    Opcode.BLOCKS: LoadKind.BLOCK.value,
    Opcode.RECORDS: LoadKind.RECORD.value,
    Opcode.VALUES: LoadKind.VALUE.value,
    Opcode.ACTIVATIONS: LoadKind.ACTIVATION.value,
}
PULSES: Final = ("begin", "next_pass", "job_valid", "end")


@dataclass(frozen=True)
class Sent:
    """One packet and its payload words."""

    header: Header
    payload: tuple[int, ...] = ()

    @property
    def stream(self) -> list[int]:
        data = b"".join(word.to_bytes(WORD_BYTES, "little") for word in self.payload)
        return words_of(frame_packet(self.header, data, WORD_BYTES))


def words_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[n : n + WORD_BYTES], "little") for n in range(0, len(data), WORD_BYTES)]


def packet(opcode: int, length: int = 0, rng: random.Random | None = None, **fields: int) -> Sent:
    rng = rng or random.Random(opcode)
    payload = tuple(rng.getrandbits(ARCH.stream_width) for _ in range(length))
    return Sent(Header(opcode, length=length, **fields), payload)


def begin(direction: Direction = Direction.VERTICAL, tag: int = 1) -> Sent:
    return packet(Opcode.BEGIN, cluster=int(direction), argument=ARCH.fingerprint, tag=tag)


PASS: Final = packet(Opcode.PASS)
BLOCKS: Final = packet(Opcode.BLOCKS, 2, cluster=1)
RECORDS: Final = packet(Opcode.RECORDS, 1)
TILE: Final = packet(Opcode.ACTIVATIONS, ARCH.words_per_input_word * 2)
NOBODYS: Final = packet(Opcode.VALUES, 1, cluster=ARCH.clusters)
STRANGER: Final = packet(Opcode.BEGIN, argument=ARCH.fingerprint ^ 1)


class Bench:
    """Stream in, errors out, and a log of what reaches the rest of the core."""

    def __init__(self, dut: Any, *, stall_i: float = 0.0, stall_o: float = 0.0, name: str = "") -> None:
        only = (*OUTPUTS, *INPUTS, "error__payload", "error__valid")
        self.ports = Ports(dut, PacketReader(ARCH), Loader(ARCH), only=only)
        self.ports.hold(activations_free=1, weights_free=1, idle=1)
        self.source = StreamSource(dut, "i", stall=stall_i, rng=random.Random(name))
        self.sink = StreamSink(dut, "error", stall=stall_o, rng=random.Random(name))
        self.loads: list[dict[str, int]] = []
        self.pulses: list[str] = []
        self.jobs: list[int] = []

    async def send(self, *words: list[int]) -> None:
        """Send words and wait until all is taken and settled."""
        for sequence in words:
            self.source.send(sequence)
        settled = 0
        while settled < 40:
            settled = 0 if self.source.pending else settled + 1
            await self.cycle()

    async def cycle(self) -> dict[str, Any]:
        out = await self.ports.cycle()
        self.pulses += [name for name in PULSES if out[name]]
        if out["job_valid"]:
            self.jobs.append(out["job"]["blocks"])
        if out["load"]["kind"] != LoadKind.IDLE.value:
            self.loads.append(out["load"])
        return out

    async def errors(self) -> list[tuple[int, int]]:
        """Code and opcode of every error since the last call."""
        words = [await self.sink.receive() for _ in range(self.sink.received)]
        errors = [self.ports.decode("error__payload", word) for word in words]
        return [(error["code"], error["opcode"]) for error in errors]

    def forget(self) -> None:
        self.loads.clear()
        self.pulses.clear()


def expected_loads(packets: list[Sent]) -> list[dict[str, int]]:
    """What a flawless stream puts on the load bus after reset."""
    weight_bank = activation_bank = job = 0
    parts = {Opcode.ACTIVATIONS: ARCH.words_per_input_word, Opcode.VALUES: ARCH.words_per_stripe}
    loads = []
    for sent in packets:
        opcode = sent.header.opcode
        if opcode == Opcode.PASS:
            weight_bank = 1 - weight_bank
            loads.append({"kind": LoadKind.PASS.value, "bank": weight_bank})
        for n, word in enumerate(sent.payload if opcode in KINDS else ()):
            tile = opcode == Opcode.ACTIVATIONS
            address, part = divmod(n, parts.get(Opcode(opcode), 1))
            load = {"kind": KINDS[Opcode(opcode)], "address": address, "part": part, "data": word}
            weights = {"bank": weight_bank, "cluster": sent.header.cluster}
            loads.append(load | ({"bank": activation_bank} if tile else weights))
        if opcode == Opcode.ACTIVATIONS:
            run = {"kind": LoadKind.RUN.value, "bank": activation_bank, "address": weight_bank | job << 1}
            loads.append(run)
            activation_bank, job = 1 - activation_bank, (job + 1) % 4
    return loads


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5], direction=list(Direction))
async def a_layer_reaches_the_load_bus(dut: Any, stall: float, direction: Direction) -> None:
    """Passes into alternating weight banks, tiles into alternating activation banks, jobs counted."""
    rng = random.Random(f"layer-{stall}-{direction}")
    packets = [packet(Opcode.INFO, 3, rng), begin(direction, tag=77)]
    counts = []
    for tiles in (2, 1, 3):
        packets.append(PASS)
        blocks = 0
        for cluster in range(ARCH.clusters):
            length = rng.randrange(1, ARCH.block_depth + 1)
            packets += [
                packet(Opcode.BLOCKS, length, rng, cluster=cluster),
                packet(Opcode.RECORDS, rng.randrange(1, ARCH.record_depth), rng, cluster=cluster),
                packet(Opcode.ORDER, 5, rng),
                packet(Opcode.VALUES, length_limit(Opcode.VALUES, ARCH), rng, cluster=cluster),
            ]
            blocks += length
        packets += [packet(Opcode.ACTIVATIONS, len(TILE.payload), rng) for _ in range(tiles)]
        counts += [blocks] * tiles
    packets.append(packet(Opcode.END))
    bench = Bench(dut, stall_i=stall)
    await start(dut)

    await bench.send(*(sent.stream for sent in packets))

    wanted = expected_loads(packets)
    assert len(bench.loads) == len(wanted)
    for load, fields in zip(bench.loads, wanted, strict=True):
        assert {name: load[name] for name in fields} == fields
    tiles_of = ["next_pass", *["job_valid"] * 2, "next_pass", "job_valid", "next_pass", *["job_valid"] * 3]
    assert bench.pulses == ["begin", *tiles_of, "end"]
    assert bench.jobs == counts
    out = await bench.cycle()
    assert (out["horizontal"], out["tag"]) == (int(direction), 77)
    assert await bench.errors() == []


def damaged(sent: Sent, word: int) -> list[int]:
    stream = sent.stream
    stream[word] ^= 1 << 40
    return stream


def too_long(opcode: Opcode) -> list[int]:
    """Only the announced length is looked at; a short payload does for it."""
    header = Header(opcode, length=length_limit(opcode, ARCH) + 1, argument=ARCH.fingerprint)
    return [*Sent(Header(opcode)).stream[:1], header.encode(), 1, 2, 3]


LOADED: Final = [begin(), PASS, BLOCKS]
# Name: packets before, words at fault, code, opcode reported.
FAULTS: Final[dict[str, tuple[list[Sent], list[int], ErrorCode, int]]] = {
    "garbage": ([begin()], [1, 2, 3], ErrorCode.NO_SYNC, 0),
    "cut_payload": ([begin(), PASS], BLOCKS.stream[:3], ErrorCode.TRUNCATED, Opcode.BLOCKS),
    "cut_trailer": ([begin(), PASS], BLOCKS.stream[:4], ErrorCode.TRUNCATED, Opcode.BLOCKS),
    "bad_payload": ([begin(), PASS], damaged(BLOCKS, 2), ErrorCode.BAD_CRC, Opcode.BLOCKS),
    "bad_trailer": ([begin(), PASS], damaged(BLOCKS, 4), ErrorCode.BAD_CRC, Opcode.BLOCKS),
    "low_opcode": ([begin()], packet(0x08).stream, ErrorCode.BAD_OPCODE, 0x08),
    "answer_opcode": ([begin()], packet(Opcode.PSUMS).stream, ErrorCode.BAD_OPCODE, Opcode.PSUMS),
    "long_blocks": ([begin(), PASS], too_long(Opcode.BLOCKS), ErrorCode.TOO_LONG, Opcode.BLOCKS),
    "long_records": (LOADED, too_long(Opcode.RECORDS), ErrorCode.TOO_LONG, Opcode.RECORDS),
    "long_values": (LOADED, too_long(Opcode.VALUES), ErrorCode.TOO_LONG, Opcode.VALUES),
    "long_tile": (LOADED, too_long(Opcode.ACTIVATIONS), ErrorCode.TOO_LONG, Opcode.ACTIVATIONS),
    "long_begin": ([], too_long(Opcode.BEGIN), ErrorCode.TOO_LONG, Opcode.BEGIN),
    "long_end": ([begin()], too_long(Opcode.END), ErrorCode.TOO_LONG, Opcode.END),
    "cluster": ([begin(), PASS], NOBODYS.stream, ErrorCode.BAD_CLUSTER, Opcode.VALUES),
    "stranger": ([], STRANGER.stream, ErrorCode.BAD_ARCHITECTURE, Opcode.BEGIN),
    "no_begin": ([], PASS.stream, ErrorCode.BAD_SEQUENCE, Opcode.PASS),
    "no_pass": ([begin()], BLOCKS.stream, ErrorCode.BAD_SEQUENCE, Opcode.BLOCKS),
    "blocks_twice": (LOADED, BLOCKS.stream, ErrorCode.BAD_SEQUENCE, Opcode.BLOCKS),
    "no_blocks": ([begin(), PASS], TILE.stream, ErrorCode.BAD_SEQUENCE, Opcode.ACTIVATIONS),
    "late_weights": ([*LOADED, TILE], RECORDS.stream, ErrorCode.BAD_SEQUENCE, Opcode.RECORDS),
    "no_layer_to_end": ([], packet(Opcode.END).stream, ErrorCode.BAD_SEQUENCE, Opcode.END),
}


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(fault=list(FAULTS), stall=[0.0, 0.5])
async def a_fault_is_reported_once_and_ends_with_the_next_begin(dut: Any, fault: str, stall: float) -> None:
    """What follows is dropped, good packets and further faults alike; after BEGIN all is well again."""
    before, words, code, opcode = FAULTS[fault]
    assert {known for _, _, known, _ in FAULTS.values()} == set(ErrorCode) - {ErrorCode.NO_END}
    bench = Bench(dut, stall_i=stall, stall_o=stall, name=fault)
    await start(dut)
    await bench.send(*(sent.stream for sent in before))
    assert await bench.errors() == []
    bench.forget()

    await bench.send(words, PASS.stream, BLOCKS.stream, packet(0x08).stream, [4, 5], damaged(BLOCKS, 3))

    assert await bench.errors() == [(code, opcode)]
    assert bench.pulses == []
    # Payload may be on its way before its CRC is known, but nothing after it.
    assert all(load["kind"] == LoadKind.BLOCK.value for load in bench.loads)
    assert len(bench.loads) <= 2
    bench.forget()
    await bench.send(begin(tag=9).stream, PASS.stream, BLOCKS.stream)
    assert await bench.errors() == []
    assert bench.pulses == ["begin", "next_pass"]
    assert [load["data"] for load in bench.loads[1:]] == list(BLOCKS.payload)
    assert (await bench.cycle())["tag"] == 9


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def a_missing_end_is_told_and_nothing_is_dropped(dut: Any, stall: float) -> None:
    """Of the layer before; an ended layer, and one that an error ended, miss nothing."""
    bench = Bench(dut, stall_i=stall, stall_o=stall, name="unended")
    await start(dut)
    await bench.send(begin().stream, PASS.stream, BLOCKS.stream)
    assert await bench.errors() == []
    bench.forget()

    await bench.send(begin(tag=7).stream, PASS.stream, BLOCKS.stream)

    assert await bench.errors() == [(ErrorCode.NO_END, Opcode.BEGIN)]
    assert bench.pulses == ["begin", "next_pass"]
    assert [load["data"] for load in bench.loads[1:]] == list(BLOCKS.payload)
    await bench.send(packet(Opcode.END).stream, begin().stream, packet(0x08).stream, begin().stream)
    assert await bench.errors() == [(ErrorCode.BAD_OPCODE, 0x08)]


# Name: flag waited for, packets before, packet held, its pulse.
WAITS: Final[dict[str, tuple[str, list[Sent], Sent, str]]] = {
    "begin": ("idle", [], begin(), "begin"),
    "pass": ("weights_free", [begin()], PASS, "next_pass"),
    "tile": ("activations_free", LOADED, TILE, "job_valid"),
    "end": ("idle", [begin()], packet(Opcode.END), "end"),
}


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(case=list(WAITS))
async def a_packet_waits_until_its_buffer_is_free(dut: Any, case: str) -> None:
    """Nothing of it reaches the load bus before; then it is complete."""
    flag, before, held, pulse = WAITS[case]
    bench = Bench(dut)
    await start(dut)
    await bench.send(*(sent.stream for sent in before))
    bench.forget()
    bench.ports.hold(**{name: int(name != flag) for name in INPUTS})

    bench.source.send(held.stream)
    for _ in range(80):
        await bench.cycle()

    assert (bench.loads, bench.pulses) == ([], [])
    bench.ports.hold(**{flag: 1})
    await bench.send()
    assert bench.pulses == [pulse]
    words = [load["data"] for load in bench.loads if load["kind"] == LoadKind.ACTIVATION.value]
    assert words == list(held.payload)
    assert await bench.errors() == []


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_unread_error_holds_the_next_begin(dut: Any) -> None:
    """There is one place for errors: a BEGIN waits until it is free, and no error is lost."""
    bench = Bench(dut, stall_o=1.0)
    await start(dut)

    await bench.send([1, 2, 3])
    bench.source.send([*begin().stream, 4])
    for _ in range(80):
        await bench.cycle()

    assert bench.pulses == []
    bench.sink.stall = 0.0
    await bench.send()
    assert bench.pulses == ["begin"]
    assert await bench.errors() == [(ErrorCode.NO_SYNC, 0)] * 2
