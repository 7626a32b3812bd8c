"""Testbench of the beat issuer."""

import random
from collections import deque
from typing import Any, Final

import cocotb

from hw.beat_issuer import BeatIssuer
from hw.shapes import part_shape
from sim.ports import Ports
from sim.streams import StreamSource, start
from sim.subject import subject_arch
from spec.counters import Cause
from spec.direction import Direction

ARCH: Final = subject_arch()
LANES, GROUPS, SEGMENT = ARCH.lanes, ARCH.groups, ARCH.segment
ALL_LANES: Final = (1 << LANES) - 1
EMPTY_JOB: Final = {"last": 1}


def random_block(rng: random.Random, vectors: int, *, last: bool = False) -> list[dict[str, Any]]:
    """Vectors of one block; only the closing one may have no live group."""
    block = []
    for n in range(vectors):
        end = n == vectors - 1
        bitmap = rng.randrange(1, 1 << GROUPS)
        live = 0
        while not live and not (end and rng.random() < 0.3):
            live = bitmap & rng.randrange(1 << GROUPS)
        block.append(
            {
                "position": rng.randrange(ARCH.max_inputs),
                "bitmap": bitmap,
                "live": live,
                "values": rng.randrange(ARCH.value_depth - GROUPS),
                "weight_bank": rng.randrange(2),
                "activation_bank": rng.randrange(2),
                "end": int(end),
                "last": int(end and last),
                "job": rng.randrange(4),
            }
            | {name: rng.getrandbits(shape.width) for name, shape in part_shape(ARCH).items()}
        )
    return block


def beats_of(vector: dict[str, Any], direction: Direction) -> list[dict[str, Any]]:
    """Beats of one vector after ``spec.record``: the lowest live group first."""
    beats = []
    position = vector.get("position", 0)
    for group in range(GROUPS):
        if not vector.get("live", 0) >> group & 1:
            continue
        if direction is Direction.VERTICAL:
            place = {"row": group, "lanes": ALL_LANES, "lane": position % LANES}
            word = position // LANES
        else:
            segment, output = divmod(position, SEGMENT)
            place = {"row": output // LANES, "lanes": 1 << output % LANES}
            word = segment * GROUPS + group
        rank = (vector["bitmap"] & ((1 << group) - 1)).bit_count()
        beats.append(
            {
                **place,
                "value": {"index": vector["values"] + rank, "bank": vector["weight_bank"]},
                "activation": {"word": word, "bank": vector["activation_bank"]},
            }
        )
    return beats


class Bench:
    """Follow the issuer cycle by cycle, drain the blocks it closes, and check every beat."""

    def __init__(self, dut: Any, direction: Direction, blocks: list[list[dict[str, Any]]]) -> None:
        self.ports = Ports(dut, BeatIssuer(ARCH))
        self.ports.hold(horizontal=int(direction))
        self.expected: deque[tuple[int, dict[str, Any]]] = deque()
        self.ends: deque[tuple[int, dict[str, Any]]] = deque()
        number = count = 0
        for vector in (vector for block in blocks for vector in block):
            for beat in beats_of(vector, direction):
                self.expected.append((number, beat))
                count += 1
            if vector.get("end") or vector.get("last"):
                self.ends.append((count, vector))
            number += vector.get("end", 0)
        self.beats = self.closed = self.released = self.jobs = self.drained = 0
        self.first_beat = self.last_beat = -1
        self.started: dict[int, set[tuple[int, int]]] = {0: set(), 1: set()}
        self.stolen: deque[dict[str, int]] = deque([{}] * BeatIssuer.STEAL_LATENCY)
        self.early: deque[dict[str, Any]] = deque()
        self.told = deque([Cause.NONE] * (BeatIssuer.STEAL_LATENCY - 1))
        self.robbed = 0
        self.time = 0

    async def cycle(self, **steal: int) -> None:
        """One cycle with or without a steal; the beat seen belongs to a cycle ``STEAL_LATENCY`` before."""
        out = await self.ports.cycle(**steal)
        beat, stolen = out["beat"], self.stolen.popleft()
        # What the beat's own cycle went to was told earlier.
        self.told.append(Cause(out["activity"]))
        told = self.told.popleft()
        assert beat["valid"] == (told is Cause.BEAT)
        if told is Cause.STEAL:
            self.robbed += 1
        assert beat["steal"] == bool(stolen)
        if stolen:
            assert not beat["valid"]
            assert (beat["row"], beat["psum_bank"]) == (stolen["steal_row"], stolen["steal_bank"])
            assert beat["first"] == self.untouched(beat)
            assert beat["lanes"] == 0
            if stolen.get("release"):
                self.started[beat["psum_bank"]].clear()
                self.released += 1
        elif beat["valid"]:
            self.check(beat)
        else:
            assert beat["lanes"] == 0
        # Ends are told as soon as they are decided, the beats that they are about on their way.
        self.early.append(out)
        if len(self.early) == BeatIssuer.STEAL_LATENCY:
            self.close(self.early.popleft())
        self.drained += bool(steal.get("release"))
        self.closed += out["closed__valid"]
        self.stolen.append(steal)
        self.time += 1

    async def cause(self, **inputs: int) -> Cause:
        """What cycles without a beat go to, if ``inputs`` stay."""
        self.ports.hold(**inputs)
        for _ in range(6):
            await self.cycle()
        told = self.told[-1]
        self.ports.hold(**dict.fromkeys(inputs, 0))
        return told

    def untouched(self, beat: dict[str, Any]) -> int:
        started = self.started[beat["psum_bank"]]
        return sum(1 << lane for lane in range(LANES) if (beat["row"], lane) not in started)

    def check(self, beat: dict[str, Any]) -> None:
        block, fields = self.expected.popleft()
        assert {name: beat[name] for name in fields} == fields
        assert beat["psum_bank"] == block % 2
        assert self.released >= block - 1, "a beat came before its psum bank was drained"
        assert beat["first"] & beat["lanes"] == self.untouched(beat) & beat["lanes"]
        self.started[block % 2] |= {(beat["row"], lane) for lane in range(LANES) if beat["lanes"] >> lane & 1}
        if self.beats == 0:
            self.first_beat = self.time
        self.beats, self.last_beat = self.beats + 1, self.time

    def close(self, out: dict[str, Any]) -> None:
        """Blocks and jobs end with their last beat."""
        if not (out["closed__valid"] or out["job_done"]):
            return
        beats, vector = self.ends.popleft()
        assert self.beats == beats
        assert (out["closed__valid"], out["job_done"]) == (vector.get("end", 0), vector["last"])
        if out["closed__valid"]:
            payload = out["closed__payload"]
            for name in ("job", "last", *part_shape(ARCH)):
                assert payload[name] == vector[name]
        self.jobs += out["job_done"]

    async def drain(self, rng: random.Random, stall: float) -> None:
        """Steal every row of the oldest closed block."""
        bank = self.drained % 2
        for row in range(GROUPS):
            while rng.random() < stall:
                await self.cycle()
            await self.cycle(steal=1, steal_row=row, steal_bank=bank, release=int(row == GROUPS - 1))
        await self.cycle()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(direction=list(Direction), stall_i=[0.0, 0.5], stall_o=[0.0, 0.9])
async def beats_come_in_order_while_blocks_drain(
    dut: Any, direction: Direction, stall_i: float, stall_o: float
) -> None:
    """Many blocks, long and short and empty; steals take their cycles and change nothing else."""
    rng = random.Random(f"beats-{direction}-{stall_i}-{stall_o}")
    blocks = [random_block(rng, rng.choice([1, 2, 5, 20]), last=rng.random() < 0.3) for _ in range(30)]
    bench = Bench(dut, direction, blocks)
    source = StreamSource(dut, "i", stall=stall_i, rng=rng)
    await start(dut)

    source.send(bench.ports.encode("i__payload", vector) for block in blocks for vector in block)
    while bench.released < len(blocks):
        await bench.cycle()
        if bench.closed > bench.drained:
            await bench.drain(rng, stall_o)

    assert not bench.expected
    assert not bench.ends


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(direction=list(Direction))
async def a_beat_comes_in_every_cycle(dut: Any, direction: Direction) -> None:
    """No gap between vectors, nor between the first two blocks."""
    rng = random.Random("rate")
    blocks = [random_block(rng, 20), random_block(rng, 20)]
    blocks[0][-1]["live"] = blocks[0][-1]["bitmap"]
    bench = Bench(dut, direction, blocks)
    source = StreamSource(dut, "i")
    await start(dut)
    count = len(bench.expected)

    source.send(bench.ports.encode("i__payload", vector) for block in blocks for vector in block)
    for _ in range(count + 20):
        await bench.cycle()

    assert bench.beats == count
    assert bench.last_beat - bench.first_beat == count - 1


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_third_block_waits_for_its_bank(dut: Any) -> None:
    """Two blocks are closed and none is drained: not a beat of the third until its bank is released."""
    rng = random.Random("bank")
    blocks = [random_block(rng, 4) for _ in range(4)]
    for block in blocks:
        block[-1]["live"] = block[-1]["bitmap"]
    bench = Bench(dut, Direction.VERTICAL, blocks)
    source = StreamSource(dut, "i")
    await start(dut)

    source.send(bench.ports.encode("i__payload", vector) for block in blocks for vector in block)
    for done in (2, 3, 4):
        for _ in range(200):
            await bench.cycle()
        assert await bench.cause() is (Cause.DRAIN if done < 4 else Cause.NONE)
        assert await bench.cause(held=1) is (Cause.OUTPUT if done < 4 else Cause.NONE)
        assert await bench.cause(dropping=1) is (Cause.DRAIN if done < 4 else Cause.SKIP)
        assert bench.closed == done
        assert {number for number, _ in bench.expected} == set(range(done, len(blocks)))
        await bench.drain(rng, 0.0)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_job_without_blocks_leaves_the_banks_as_they_are(dut: Any) -> None:
    """Its end is reported; a block of the job behind it still waits for its bank."""
    rng = random.Random("empty")
    blocks = [
        random_block(rng, 3),
        random_block(rng, 3, last=True),
        [EMPTY_JOB],
        random_block(rng, 3, last=True),
    ]
    bench = Bench(dut, Direction.VERTICAL, blocks)
    source = StreamSource(dut, "i")
    await start(dut)

    source.send(bench.ports.encode("i__payload", vector) for block in blocks for vector in block)
    for _ in range(200):
        await bench.cycle()
    assert bench.closed == 2
    for _ in range(3):
        await bench.drain(rng, 0.0)
        for _ in range(50):
            await bench.cycle()

    assert (bench.closed, bench.jobs) == (3, 3)
    assert not bench.expected
