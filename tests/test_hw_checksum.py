"""The checksum alone, at widths that the proof cannot reach; zlib says what is right."""

import random
import zlib
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.checksum import Checksum
from hw.gf2 import apply, inverse
from tests.slices import often


def forged(words: bytes, size: int, rest: bytes) -> bytes:
    """A trailer that ends in ``rest``, not in zeros, and leaves the same CRC behind as the right one."""

    def left(low: int) -> int:
        return zlib.crc32(words + low.to_bytes(4, "little") + rest)

    turn = inverse([left(1 << bit) ^ left(0) for bit in range(32)])
    assert turn is not None
    wanted = zlib.crc32(words + zlib.crc32(words).to_bytes(size, "little"))
    return apply(turn, wanted ^ left(0)).to_bytes(4, "little") + rest


def clocked(checksum: Checksum, bench: Any) -> None:
    simulator: Any = Simulator(checksum)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


async def take(context: Any, checksum: Checksum, word: bytes, start: bool) -> None:
    """Give one word, after a gap of up to two cycles with something else in it."""
    for _ in range(random.Random(word).randrange(3)):
        context.set(checksum.valid, 0)
        context.set(checksum.data, ~int.from_bytes(word, "little"))
        await context.tick()
    context.set(checksum.valid, 1)
    context.set(checksum.start, start)
    context.set(checksum.data, int.from_bytes(word, "little"))
    await context.tick()
    context.set(checksum.valid, 0)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("width", often([64, 128, 256, 512, 1024], [64, 512]))
def test_crc_is_that_of_zlib_and_a_right_one_is_told_from_a_wrong_one(width: int, direct: bool) -> None:
    checksum, rng, size = Checksum(width, direct=direct), random.Random(f"checksum-{width}"), width // 8

    async def bench(context: Any) -> None:
        for _ in range(12):
            words = [rng.randbytes(size) for _ in range(rng.randrange(1, 6))]
            for number, word in enumerate(words):
                await take(context, checksum, word, number == 0)
            await context.tick().repeat(Checksum.LATENCY - 1)
            crc = zlib.crc32(b"".join(words))
            assert context.get(checksum.crc) == crc

            right = crc.to_bytes(size, "little")
            flipped = (crc ^ 1 << rng.randrange(width)).to_bytes(size, "little")
            lie = forged(b"".join(words), size, rng.randbytes(size - 4))
            assert zlib.crc32(b"".join(words) + lie) == zlib.crc32(b"".join(words) + right)
            trailer = rng.choice((right, flipped, lie))
            await take(context, checksum, trailer, False)
            await context.tick().repeat(Checksum.INTACT_LATENCY - 1)
            assert context.get(checksum.intact) == (trailer == right)

    clocked(checksum, bench)


def test_every_single_wrong_bit_is_seen() -> None:
    checksum, size = Checksum(64), 8
    word = random.Random("single").randbytes(size)
    crc = zlib.crc32(word)

    async def bench(context: Any) -> None:
        for bit in range(64):
            await take(context, checksum, word, True)
            await take(context, checksum, (crc ^ 1 << bit).to_bytes(size, "little"), False)
            await context.tick().repeat(Checksum.INTACT_LATENCY - 1)
            assert not context.get(checksum.intact)

    clocked(checksum, bench)
