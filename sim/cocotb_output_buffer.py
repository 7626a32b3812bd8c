"""Testbench of a cluster's output buffer."""

import random
from collections import deque
from typing import Any, Final

import cocotb

from hw.output_buffer import OutputBuffer
from hw.shapes import ItemKind, offer_shape, part_shape
from sim.ports import Ports, encode_bundle
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import signed_range

ARCH: Final = subject_arch()
INDEX: Final = 1
CHUNKS: Final = ARCH.groups * ARCH.tokens
PSUMS: Final = ARCH.segment * ARCH.tokens


class Block:
    """A random block of ``job``; its psums in the order in which they are answered."""

    def __init__(self, rng: random.Random, job: int, sequence: int, last: bool) -> None:
        fields = {name: rng.getrandbits(shape.width) for name, shape in part_shape(ARCH).items()}
        self.closed = {**fields, "job": job, "last": int(last)}
        self.offer = encode_bundle(offer_shape(ARCH), {**fields, "sequence": sequence})
        self.psums = [rng.randint(*signed_range(ARCH.psum_width)) for _ in range(PSUMS)]

    def chunk(self, number: int) -> int:
        return _join(self.psums[number * ARCH.lanes : (number + 1) * ARCH.lanes], ARCH.psum_width)

    def word(self, number: int) -> tuple[int, int]:
        """A word of the answer and the mask of what counts in it."""
        psums = self.psums[number * ARCH.psums_per_word : (number + 1) * ARCH.psums_per_word]
        return _join(psums, ARCH.output_width), (1 << len(psums) * ARCH.output_width) - 1


def _join(psums: list[int], width: int) -> int:
    return sum((psum & ((1 << width) - 1)) << (n * width) for n, psum in enumerate(psums))


def random_blocks(rng: random.Random, jobs: int) -> list[Block]:
    return [
        Block(rng, job % 4, n, n == count - 1)
        for job, count in enumerate(rng.randrange(1, 5) for _ in range(jobs))
        for n in range(count)
    ]


class Producer:
    """The drain: describes a block when there is room, and sends its psums some cycles later."""

    LAG = 5

    def __init__(self, blocks: list[Block], rng: random.Random, stall: float) -> None:
        self.blocks, self.rng, self.stall = deque(blocks), rng, stall
        self.chunks: list[deque[tuple[int, int]]] = [deque() for _ in range(ARCH.drain_trees)]
        self.time = self.earliest = 0
        self.described = self.sent = 0

    def inputs(self, room: int) -> dict[str, Any]:
        inputs: dict[str, Any] = {}
        if self.blocks and room and self.time >= self.earliest and self.rng.random() >= self.stall:
            block = self.blocks.popleft()
            inputs = {"describe": 1, "closed": block.closed}
            self.earliest = self.time + ARCH.drain_cycles
            for n in range(CHUNKS):
                row, token = divmod(n, ARCH.tokens)
                # A column after the other, but trees side by side: they lie one row apart.
                time = self.time + self.LAG + row * (ARCH.row_cycles + 1) + token
                self.chunks[token // ARCH.row_cycles].append((time, block.chunk(n)))
            self.described += 1
        valid, psums = 0, [0] * ARCH.drain_trees
        for tree, chunks in enumerate(self.chunks):
            if chunks and chunks[0][0] <= self.time:
                valid |= 1 << tree
                psums[tree] = chunks.popleft()[1]
                self.sent += 1
        self.time += 1
        return inputs | {"psums_valid": valid, "psums": psums}


class Consumer:
    """The collector: fetches blocks that are ready, with requests to other clusters in between."""

    def __init__(self, blocks: list[Block], rng: random.Random, stall: float) -> None:
        self.blocks, self.rng, self.stall = deque(blocks), rng, stall
        self.steps: deque[tuple[dict[str, Any], tuple[int, int], int]] = deque()
        self.fetched = self.freed = 0

    def request(self, ready: int) -> tuple[dict[str, Any], tuple[int, int]]:
        """Next request and the answer due to it."""
        if not self.steps and self.blocks and ready > self.fetched:
            self._fetch(self.blocks.popleft())
            self.fetched += 1
        if not self.steps or self.rng.random() < self.stall:
            kind = self.rng.choice(list(ItemKind)).value
            other = {"kind": kind, "cluster": 1 - INDEX, "address": 0}
            return (other if self.rng.random() < 0.5 else {}), (0, -1)
        request, answer, frees = self.steps.popleft()
        self.freed += frees
        return request, answer

    def _fetch(self, block: Block) -> None:
        mine = {"cluster": INDEX}
        self.steps.append((mine | {"kind": ItemKind.BLOCK_HEADER.value}, (block.offer, -1), 0))
        for n in range(ARCH.words_per_block):
            request = mine | {"kind": ItemKind.BLOCK_DATA.value, "address": n}
            self.steps.append((request, block.word(n), 0))
        self.steps.append((mine | {"kind": ItemKind.BLOCK_TRAILER.value}, (0, -1), 1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def blocks_are_answered_as_they_were_drained(dut: Any, stall_i: float, stall_o: float) -> None:
    """Offers and words on time, 0 to requests of others, room for two blocks, ready when complete."""
    rng = random.Random(f"outputs-{stall_i}-{stall_o}")
    blocks = random_blocks(rng, 8)
    ports = Ports(dut, OutputBuffer(ARCH))
    await start(dut)
    ports.hold(index=INDEX)
    producer, consumer = Producer(blocks, rng, stall_i), Consumer(blocks, rng, stall_o)
    due: deque[tuple[int, int]] = deque([(0, -1)] * OutputBuffer.LATENCY)
    room = 1
    ready: list[int] = []

    for _ in range(len(blocks) * (ARCH.drain_cycles + ARCH.words_per_block + 20) * 3):
        free = consumer.freed
        used = producer.described - free
        request, answer = consumer.request(len(ready))
        out = await ports.cycle(**producer.inputs(room), request=request)
        due.append(answer)
        word, mask = due.popleft()
        assert out["data"] & mask == word & mask
        assert out["room"] == (used < 2)
        room = int(producer.described - consumer.freed < 2)
        if out["ready"]:
            ready.append(out["ready_job"])
            assert producer.sent >= len(ready) * CHUNKS
        if consumer.freed == len(blocks):
            break

    assert consumer.freed == len(blocks)
    assert ready == [block.closed["job"] for block in blocks]


@cocotb.test(timeout_time=100, timeout_unit="us")
async def two_blocks_fill_the_buffer(dut: Any) -> None:
    """Room is gone with the second drain and back when the first block is freed."""
    ports = Ports(dut, OutputBuffer(ARCH))
    await start(dut)
    ports.hold(index=INDEX)

    rooms = [(await ports.cycle(describe=describe))["room"] for describe in (0, 1, 0, 1, 0)]
    await ports.cycle(request={"kind": ItemKind.BLOCK_TRAILER.value, "cluster": INDEX})

    assert rooms == [1, 1, 1, 1, 0]
    assert (await ports.cycle())["room"] == 1
