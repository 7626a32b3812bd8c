"""Testbench of the zero-skip controller."""

import random
from typing import Any, Final

import cocotb
import numpy as np
from numpy.typing import NDArray

from hw.shapes import LoadKind, part_shape
from hw.zero_skip import ZeroSkip
from sim.ports import Ports
from sim.streams import StreamSink, start
from sim.subject import subject_arch
from sim.tile_words import tile_words
from spec.direction import Direction
from spec.numbers import signed_range

ARCH: Final = subject_arch()
LATENCY: Final = ZeroSkip.LATENCY
LANES, TOKENS, SEGMENT, GROUPS = ARCH.lanes, ARCH.tokens, ARCH.segment, ARCH.groups


def random_tile(generator: np.random.Generator, zeros: float) -> NDArray[np.int64]:
    """Activations, words x L x T; ``zeros`` of the inputs are 0 in every token, others in some."""
    low, high = signed_range(ARCH.activation_width)
    shape = (ARCH.activation_depth, LANES, TOKENS)
    # One token of the others is enough to keep an input.
    tile = generator.integers(low, high + 1, shape) * (generator.random(shape) < 1 / TOKENS)
    return tile * (generator.random(shape[:2]) >= zeros)[:, :, None]


def live_groups(vector: dict[str, Any], tile: NDArray[np.int64], direction: Direction) -> int:
    """Groups of ``vector`` that meet an activation other than 0."""
    position, bitmap = int(vector["position"]), int(vector["bitmap"])
    inputs = (tile.reshape(ARCH.max_inputs, TOKENS) != 0).any(axis=1)
    if direction is Direction.VERTICAL:
        return bitmap if inputs[position] else 0
    first = position // SEGMENT * SEGMENT
    found = inputs[first : first + SEGMENT].reshape(GROUPS, LANES).any(axis=1)
    return bitmap & sum(1 << n for n in np.flatnonzero(found).tolist())


def random_vectors(rng: random.Random, count: int) -> list[dict[str, Any]]:
    vectors = []
    for n in range(count):
        end = rng.random() < 0.15
        bitmap = rng.randrange(0 if end else 1, 1 << GROUPS)
        vectors.append(
            {
                "position": rng.randrange(ARCH.max_inputs),
                "bitmap": bitmap,
                "live": bitmap,
                "values": n % ARCH.value_depth,
                "weight_bank": rng.randrange(2),
                "activation_bank": rng.randrange(2),
                "end": int(end),
                "last": int(end and rng.random() < 0.3),
                "job": rng.randrange(4),
            }
            | {name: rng.getrandbits(shape.width) for name, shape in part_shape(ARCH).items()}
        )
    return vectors


async def load(ports: Ports, bank: int, tile: NDArray[np.int64]) -> None:
    for word, part, data in tile_words(tile, ARCH):
        place = {"bank": bank, "address": word, "part": part}
        await ports.cycle(load={"kind": LoadKind.ACTIVATION.value, "data": data, **place})
    await ports.cycles(3)


async def feed(ports: Ports, vectors: list[dict[str, Any]], rng: random.Random, stall: float) -> int:
    """Send as the decompressor does, a cycle after it saw a credit; return the beats skipped meanwhile."""
    skipped = credit = sent = 0
    while sent < len(vectors):
        offer: dict[str, Any] = {}
        if credit and rng.random() >= stall:
            offer = {"i__valid": 1, "i__payload": vectors[sent]}
            sent += 1
        out = await ports.cycle(**offer)
        credit, skipped = int(out["i__ready"]), skipped + int(out["skipped"])
    return skipped + sum(int(out["skipped"]) for out in await ports.cycles(100))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(direction=list(Direction), stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def only_vectors_worth_a_beat_are_left(
    dut: Any, direction: Direction, stall_i: float, stall_o: float
) -> None:
    """Dead groups are cleared, dead vectors dropped unless they close something, and all beats counted."""
    rng = random.Random(f"skip-{direction}-{stall_i}-{stall_o}")
    generator = np.random.default_rng(rng.getrandbits(32))
    ports = Ports(dut, ZeroSkip(ARCH))
    sink = StreamSink(dut, "o", stall=stall_o, rng=rng)
    await start(dut)
    ports.hold(horizontal=int(direction))
    for _ in range(2):
        tiles = [random_tile(generator, zeros=0.75) for _ in range(2)]
        for bank, tile in enumerate(tiles):
            await load(ports, bank, tile)
        vectors = random_vectors(rng, 150)

        skipped = await feed(ports, vectors, rng, stall_i)

        expected, spared = [], 0
        for vector in vectors:
            live = live_groups(vector, tiles[vector["activation_bank"]], direction)
            spared += (vector["bitmap"] & ~live).bit_count()
            if live or vector["end"]:
                word = ports.encode("i__payload", vector | {"live": live})
                expected.append(ports.decode("o__payload", word))
        assert [ports.decode("o__payload", await sink.receive()) for _ in expected] == expected
        assert sink.received == 0
        assert skipped == spared > 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def credits_are_as_many_as_the_queue_holds(dut: Any) -> None:
    """Nobody takes: exactly ``queue_depth`` vectors are let in, and none of them is lost."""
    rng = random.Random("credits")
    ports = Ports(dut, ZeroSkip(ARCH))
    await start(dut)
    for bank in range(2):
        await load(ports, bank, np.ones((ARCH.activation_depth, LANES, TOKENS), np.int64))
    vectors = random_vectors(rng, 60)
    for _ in range(3):
        sent, credit = [], 0
        for vector in vectors[:40]:
            out = await ports.cycle(**({"i__valid": 1, "i__payload": vector} if credit else {}))
            sent += [vector] if credit else []
            credit = out["i__ready"]

        left = [await ports.cycle(o__ready=1) for _ in range(20)]

        assert len(sent) == ARCH.queue_depth
        taken = [out["o__payload"]["values"] for out in left if out["o__valid"]]
        assert taken == [vector["values"] for vector in sent]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def dropped_vectors_keep_the_input_running(dut: Any) -> None:
    """Nobody takes and everything is dropped: a vector goes in every cycle all the same."""
    rng = random.Random("drops")
    ports = Ports(dut, ZeroSkip(ARCH))
    await start(dut)
    for bank in range(2):
        await load(ports, bank, np.zeros((ARCH.activation_depth, LANES, TOKENS), np.int64))
    vectors = [vector | {"end": 0, "last": 0} for vector in random_vectors(rng, 60) if vector["bitmap"]]

    seen = [await ports.cycle(i__valid=1, i__payload=vector) for vector in vectors] + await ports.cycles(10)

    assert all(out["i__ready"] for out in seen)
    assert not any(out["o__valid"] for out in seen)
    # Each is told in the cycle in which a vector kept would have come out.
    assert [out["dropping"] for out in seen] == [0] * LATENCY + [1] * len(vectors) + [0] * (10 - LATENCY)
    assert sum(out["skipped"] for out in seen) == sum(v["bitmap"].bit_count() for v in vectors)
