"""Testbench of the collector."""

import random
from collections import deque
from itertools import pairwise
from typing import Any, Final

import cocotb

from hw.collector import Collector
from hw.shapes import ItemKind
from sim.ports import Ports
from sim.streams import StreamSource, start
from sim.subject import subject_arch

ARCH: Final = subject_arch()
DEPTH: Final = 16
CLUSTERS: Final = range(ARCH.clusters)
WORDS: Final = ARCH.words_per_block
HEADER, DATA, TRAILER = ItemKind.BLOCK_HEADER.value, ItemKind.BLOCK_DATA.value, ItemKind.BLOCK_TRAILER.value
STATUS: Final = {ItemKind.STATUS_HEADER.value, ItemKind.STATUS_DATA.value, ItemKind.STATUS_TRAILER.value}


class Bench:
    """Clusters with blocks on one side, an egress that gives credits back on the other."""

    def __init__(self, dut: Any, rng: random.Random, *, stall_i: float = 0.0, stall_o: float = 0.0) -> None:
        self.ports = Ports(dut, Collector(ARCH, DEPTH))
        self.status = StreamSource(dut, "status", stall=stall_i, rng=rng)
        self.rng, self.stall_i, self.stall_o = rng, stall_i, stall_o
        self.blocks: list[deque[int]] = [deque() for _ in CLUSTERS]
        self.waiting = [0 for _ in CLUSTERS]
        self.held = 0
        # An item is counted a cycle late.
        self.counted, self.sent = 0, False
        self.credits = (0, 1, 2)
        self.items: list[tuple[int, dict[str, int], int]] = []
        self.time = 0
        self.starts: deque[int] = deque()

    def add_job(self, number: int, blocks: list[int]) -> None:
        """A job with so many blocks per cluster."""
        self.starts.append(sum(blocks))
        for cluster, count in zip(CLUSTERS, blocks, strict=True):
            self.blocks[cluster].extend([number % 4] * count)

    async def cycle(self, **inputs: Any) -> dict[str, Any]:
        """Start a job or finish blocks, give credits back, and note what goes down the chain."""
        ready, jobs = 0, [0 for _ in CLUSTERS]
        if self.starts and not inputs:
            inputs = {"job_valid": 1, "job": {"blocks": self.starts.popleft()}}
        elif not inputs:
            for cluster in CLUSTERS:
                free = self.blocks[cluster] and self.waiting[cluster] < 2
                if free and self.rng.random() >= self.stall_i:
                    jobs[cluster] = self.blocks[cluster].popleft()
                    ready |= 1 << cluster
                    self.waiting[cluster] += 1
        credit = 0 if self.rng.random() < self.stall_o else min(self.held, self.rng.choice(self.credits))
        assert self.held <= DEPTH
        out = await self.ports.cycle(ready=ready, ready_job=jobs, credit=credit, **inputs)
        assert out["empty"] == (self.counted == 0)
        item = out["request"]
        if item["kind"]:
            self.items.append((self.time, item, out["literal"]))
            if item["kind"] == TRAILER:
                self.waiting[item["cluster"]] -= 1
        self.counted += self.sent - credit
        self.sent = item["kind"] != 0
        self.held += self.sent - credit
        self.time += 1
        return out

    async def settle(self) -> None:
        """Run until nothing has moved for a while."""
        moved = -1
        while moved != len(self.items) or any(self.blocks):
            moved = len(self.items)
            for _ in range(100):
                await self.cycle()

    def packets(self) -> list[list[dict[str, int]]]:
        """Items cut into packets."""
        packets: list[list[dict[str, int]]] = []
        for _, item, literal in self.items:
            if item["kind"] in (HEADER, ItemKind.STATUS_HEADER.value):
                packets.append([])
            packets[-1].append({**item, "literal": literal})
        return packets


def check_block(packet: list[dict[str, int]]) -> int:
    """Check one block's items; return its cluster."""
    cluster = packet[0]["cluster"]
    assert [item["kind"] for item in packet] == [HEADER, *[DATA] * WORDS, TRAILER]
    assert {item["cluster"] for item in packet} == {cluster}
    assert [item["address"] for item in packet[1:-1]] == list(range(WORDS))
    assert all(item["literal"] == 0 for item in packet)
    assert not any(item["job_end"] for item in packet[:-1])
    return cluster


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def blocks_are_fetched_job_by_job_with_status_in_between(
    dut: Any, stall_i: float, stall_o: float
) -> None:
    """Random jobs; every block once, jobs in order, never more items than credits."""
    rng = random.Random(f"jobs-{stall_i}-{stall_o}")
    bench = Bench(dut, rng, stall_i=stall_i, stall_o=stall_o)
    await start(dut)
    answers = [[rng.getrandbits(ARCH.stream_width) for _ in range(rng.randrange(1, 30))] for _ in range(6)]
    jobs = [[rng.randrange(3) for _ in CLUSTERS] for _ in range(12)]
    for blocks in jobs:
        blocks[rng.choice(CLUSTERS)] += 1
    for number, blocks in enumerate(jobs):
        # At most three jobs are under way.
        bench.add_job(number, blocks)
        if number % 3 == 2:
            for answer in answers[number // 3 * 2 : number // 3 * 2 + 2]:
                kinds = [ItemKind.STATUS_HEADER, *[ItemKind.STATUS_DATA] * (len(answer) - 1)]
                words = [*zip(kinds, answer, strict=True), (ItemKind.STATUS_TRAILER, 0)]
                bench.status.send(
                    bench.ports.encode("status__payload", {"kind": kind.value, "data": word})
                    for kind, word in words
                )
            await bench.settle()

    statuses = [packet for packet in bench.packets() if packet[0]["kind"] in STATUS]
    assert [[item["literal"] for item in packet[:-1]] for packet in statuses] == answers
    assert all({item["kind"] for item in packet} <= STATUS for packet in statuses)
    fetched = deque(packet for packet in bench.packets() if packet[0]["kind"] == HEADER)
    for blocks in jobs:
        packets = [fetched.popleft() for _ in range(sum(blocks))]
        clusters = [check_block(packet) for packet in packets]
        assert [clusters.count(n) for n in CLUSTERS] == blocks
        assert [packet[-1]["job_end"] for packet in packets] == [0] * (len(packets) - 1) + [1]
    assert not fetched


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def clusters_take_turns_and_begin_anew_with_each_layer(dut: Any) -> None:
    """All are ready at once: each cluster once before any of them again, and the same after a clear."""
    rng = random.Random("turns")
    bench = Bench(dut, rng)
    await start(dut)
    orders = []
    for layer in range(3):
        await bench.cycle(clear=1)
        bench.items.clear()
        # An odd block ends the turns somewhere else than they began.
        bench.add_job(layer, [2 + (n == layer) for n in CLUSTERS])
        await bench.settle()
        orders.append([check_block(packet) for packet in bench.packets()])

    steps = {(after - before) % len(CLUSTERS) for before, after in pairwise(orders[0][:6])}
    assert steps == {1}
    assert orders[0][:6] == orders[1][:6] == orders[2][:6]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_later_job_waits_for_the_last_block_of_the_one_before(dut: Any) -> None:
    """A cluster that is ahead keeps its block while another still owes one."""
    rng = random.Random("ahead")
    bench = Bench(dut, rng)
    await start(dut)
    for _ in range(2):
        await bench.cycle(job_valid=1, job={"blocks": 2})
    for job in range(2):
        bench.blocks[0].append(job)
    await bench.settle()
    assert [check_block(packet) for packet in bench.packets()] == [0]

    bench.blocks[1].extend([0, 1])
    await bench.settle()

    assert [check_block(packet) for packet in bench.packets()][1] == 1
    assert sorted(check_block(packet) for packet in bench.packets()[2:]) == [0, 1]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_block_takes_its_cycles_and_no_more(dut: Any) -> None:
    """Header, words, trailer and the next choice follow each other while there is credit."""
    rng = random.Random("rate")
    bench = Bench(dut, rng)
    await start(dut)
    bench.add_job(0, [4 for _ in CLUSTERS])
    bench.credits = (2, 2, 2)

    await bench.settle()

    times = [time for time, item, _ in bench.items if item["kind"] == HEADER]
    assert len(times) == 4 * len(CLUSTERS)
    assert {after - before for before, after in pairwise(times)} == {WORDS + 3}
