"""Testbench of the decompressor."""

import random
from dataclasses import dataclass
from typing import Any, Final

import cocotb

from hw.decompressor import Decompressor
from hw.shapes import LoadKind, part_shape
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.packet import descriptor_layout
from spec.record import Record, advance_records, encode_record

ARCH: Final = subject_arch()
POSITIONS: Final = ARCH.max_inputs


@dataclass(frozen=True)
class Block:
    """A block's descriptor and its vectors, (position, bitmap) each."""

    descriptor: dict[str, int]
    vectors: list[tuple[int, int]]


def random_block(rng: random.Random, vectors: int, *, near: bool = False) -> Block:
    """Vectors anywhere from a random start on, or all in a row."""
    begin = rng.randrange(POSITIONS // 2)
    places = range(begin, POSITIONS)
    chosen = places[:vectors] if near else sorted(rng.sample(places, vectors))
    fields = {name: rng.getrandbits(width) for name, width in descriptor_layout(ARCH).widths}
    return Block(
        {**fields, "start": begin},
        [(position, rng.randrange(1, 1 << ARCH.groups)) for position in chosen],
    )


def records_of(block: Block) -> list[Record]:
    if not block.vectors:
        return [Record(0, 0, True)]
    records, following = [], block.descriptor["start"]
    for n, (position, bitmap) in enumerate(block.vectors):
        records += advance_records(position - following, bitmap, n == len(block.vectors) - 1, ARCH)
        following = position + 1
    return records


def expected(blocks: list[Block], weight_bank: int, activation_bank: int, job: int) -> list[dict[str, Any]]:
    """What a job sends; a vector without groups stands nowhere, and only an end shows its block."""
    sent, values = [], 0
    for n, block in enumerate(blocks):
        part = {name: block.descriptor[name] for name in part_shape(ARCH)}
        count = max(len(block.vectors), 1)
        for number, (position, bitmap) in enumerate(block.vectors or [(0, 0)]):
            end = number == count - 1
            vector = {
                "bitmap": bitmap,
                "live": bitmap,
                "values": values,
                "weight_bank": weight_bank,
                "activation_bank": activation_bank,
                "end": int(end),
                "last": int(end and n == len(blocks) - 1),
                "job": job,
            }
            place: dict[str, Any] = {"position": position} if bitmap else {}
            sent.append(vector | place | (part if end else {}))
            values += bitmap.bit_count()
    return sent


class Bench:
    """The load bus on one side, a receiver that gives credits on the other."""

    def __init__(self, dut: Any, stall: float, rng: random.Random) -> None:
        self.ports = Ports(dut, Decompressor(ARCH))
        self.stall, self.rng = stall, rng
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.time = 0
        self.credit = 0

    async def cycle(self, **load: Any) -> None:
        credit = int(self.rng.random() >= self.stall)
        out = await self.ports.cycle(o__ready=credit, load=load)
        if out["o__valid"]:
            assert self.credit, "a vector was sent without a credit"
            self.sent.append((self.time, out["o__payload"]))
        self.credit, self.time = credit, self.time + 1

    async def load(self, bank: int, blocks: list[Block], records: list[Record]) -> None:
        await self.cycle(kind=LoadKind.PASS.value, bank=bank)
        for address, block in enumerate(blocks):
            word = descriptor_layout(ARCH).encode(block.descriptor)
            await self.cycle(kind=LoadKind.BLOCK.value, bank=bank, address=address, data=word)
        bits = sum(encode_record(record, ARCH) << (n * ARCH.record_width) for n, record in enumerate(records))
        words = -(-len(records) * ARCH.record_width // ARCH.stream_width)
        # Bits behind the last whole record are nobody's.
        left = words * ARCH.stream_width % ARCH.record_width
        bits |= ((1 << left) - 1) << (words * ARCH.stream_width - left)
        for address in range(words):
            word = bits >> (address * ARCH.stream_width) & ((1 << ARCH.stream_width) - 1)
            await self.cycle(kind=LoadKind.RECORD.value, bank=bank, address=address, data=word)

    async def job(self, weight_bank: int, activation_bank: int, number: int) -> None:
        address = weight_bank | number << 1
        await self.cycle(kind=LoadKind.RUN.value, bank=activation_bank, address=address)

    async def receive(self, count: int) -> list[dict[str, Any]]:
        """Wait until ``count`` vectors have come, and see that no more come."""
        for _ in range(3000):
            if len(self.sent) >= count:
                break
            await self.cycle()
        for _ in range(60):
            await self.cycle()
        vectors = [vector for _, vector in self.sent]
        self.sent.clear()
        return vectors


def check(vectors: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(vectors) == len(wanted)
    for vector, fields in zip(vectors, wanted, strict=True):
        assert {name: vector[name] for name in fields} == fields


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def vectors_come_block_after_block(dut: Any, stall: float) -> None:
    """Near and far vectors, escapes between them, an empty block first, in between and last."""
    rng = random.Random(f"blocks-{stall}")
    bench = Bench(dut, stall, rng)
    await start(dut)
    for number, sizes in enumerate(((12, 0, 1, 5), (0, 20, 0), (1,), (0,), (40, 3, 0))):
        bank = number % 2
        blocks = [random_block(rng, size) for size in sizes]
        await bench.load(bank, blocks, [record for block in blocks for record in records_of(block)])

        await bench.job(bank, 1 - bank, number % 4)

        wanted = expected(blocks, bank, 1 - bank, number % 4)
        check(await bench.receive(len(wanted)), wanted)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def two_jobs_wait_their_turn_while_the_other_bank_loads(dut: Any, stall: float) -> None:
    """The same weights twice, the second tile from the other activation bank; then the new weights."""
    rng = random.Random(f"jobs-{stall}")
    bench = Bench(dut, stall, rng)
    await start(dut)
    first, second = ([random_block(rng, 15) for _ in range(3)] for _ in range(2))
    await bench.load(0, first, [record for block in first for record in records_of(block)])

    await bench.job(0, 0, 1)
    await bench.job(0, 1, 2)
    await bench.load(1, second, [record for block in second for record in records_of(block)])

    wanted = expected(first, 0, 0, 1) + expected(first, 0, 1, 2)
    check(await bench.receive(len(wanted)), wanted)
    await bench.job(1, 0, 3)
    wanted = expected(second, 1, 0, 3)
    check(await bench.receive(len(wanted)), wanted)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_job_without_blocks_reports_its_end(dut: Any) -> None:
    """One vector that closes the job and no block, also between jobs with blocks."""
    rng = random.Random("empty")
    bench = Bench(dut, 0.0, rng)
    await start(dut)
    blocks = [random_block(rng, 4)]
    await bench.load(0, blocks, records_of(blocks[0]))
    await bench.load(1, blocks, records_of(blocks[0]))
    await bench.load(1, [], [])

    await bench.job(1, 0, 0)
    await bench.job(0, 1, 1)
    await bench.receive(5)
    await bench.job(1, 0, 2)

    (vector,) = await bench.receive(1)
    assert (vector["last"], vector["end"], vector["live"], vector["job"]) == (1, 0, 0, 2)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def records_that_run_out_still_end_every_block(dut: Any, stall: float) -> None:
    """Blocks without records are closed empty, and the next job is not disturbed."""
    rng = random.Random(f"short-{stall}")
    bench = Bench(dut, stall, rng)
    await start(dut)
    # Three stream words, whose last bits reach into the bitmap of a record that is not there.
    blocks = [random_block(rng, 22, near=True), random_block(rng, 0), random_block(rng, 0)]
    await bench.load(0, blocks, records_of(blocks[0]))
    for job in range(2):
        await bench.job(0, job, job)

        wanted = expected(blocks, 0, job, job)
        check(await bench.receive(len(wanted)), wanted)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_vector_comes_in_every_cycle(dut: Any) -> None:
    """A block whose vectors need no escapes leaves no cycle unused."""
    rng = random.Random("rate")
    bench = Bench(dut, 0.0, rng)
    await start(dut)
    block = random_block(rng, 60, near=True)
    await bench.load(0, [block], records_of(block))
    await bench.job(0, 0, 0)

    for _ in range(120):
        await bench.cycle()

    times = [time for time, _ in bench.sent]
    assert len(times) == 60
    assert times == list(range(times[0], times[0] + 60))
