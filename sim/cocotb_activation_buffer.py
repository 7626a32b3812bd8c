"""Testbench of one token's activation buffer."""

import random
from typing import Any, Final

import cocotb
import numpy as np

from hw.activation_buffer import ActivationBuffer
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from sim.tile_words import tile_words
from spec.numbers import signed_range

ARCH: Final = subject_arch()
LANES, TOKENS, DEPTH = ARCH.lanes, ARCH.tokens, ARCH.activation_depth


async def fill(ports: Ports, bank: int, activations: np.ndarray) -> None:
    """Write a bank as the loader does; ``activations`` is words x L x T."""
    for word, part, data in tile_words(activations, ARCH):
        await ports.cycle(write={"enable": 1, "part": part, "word": word, "bank": bank, "data": data})


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(horizontal=[0, 1])
async def every_token_column_reads_its_own_activations(dut: Any, horizontal: int) -> None:
    """Both banks, all words and lanes: broadcast of one lane, or every lane its own."""
    generator = np.random.default_rng(horizontal)
    low, high = signed_range(ARCH.activation_width)
    ports = Ports(dut, ActivationBuffer(ARCH))
    await start(dut)
    latency = ActivationBuffer.LATENCY
    for token in range(TOKENS):
        activations = generator.integers(low, high + 1, (2, DEPTH, LANES, TOKENS))
        ports.hold(index=token, horizontal=horizontal)
        for bank in range(2):
            await fill(ports, bank, activations[bank])
        await ports.cycles(2)
        places = [(b, w, n) for b in range(2) for w in range(DEPTH) for n in range(LANES)]
        random.Random(token).shuffle(places)

        seen, off = [], 0
        for bank, word, following in places:
            seen.append(await ports.cycle(read={"word": word, "bank": bank}, off=off))
            off = 0 if horizontal else ((1 << LANES) - 1) ^ 1 << following
        seen.append(await ports.cycle(off=off))
        seen += await ports.cycles(latency - 1)

        for (bank, word, number), out in zip(places, seen[latency:], strict=True):
            own = activations[bank, word, :, token].tolist()
            assert out["operands"] == (own if horizontal else [own[number]] * LANES)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def loading_one_bank_leaves_the_other_alone(dut: Any) -> None:
    """Reads of one bank in every cycle while a tile is written to the other."""
    generator = np.random.default_rng(2)
    low, high = signed_range(ARCH.activation_width)
    activations = generator.integers(low, high + 1, (2, DEPTH, LANES, TOKENS))
    ports = Ports(dut, ActivationBuffer(ARCH))
    await start(dut)
    ports.hold(index=TOKENS - 1, horizontal=1)
    await fill(ports, 1, activations[1])
    await ports.cycles(2)

    ports.hold(read={"word": DEPTH - 1, "bank": 1})
    await ports.cycles(ActivationBuffer.LATENCY)
    seen = []
    for word, part, data in tile_words(activations[0], ARCH):
        write = {"enable": 1, "part": part, "word": word, "bank": 0, "data": data}
        seen.append(await ports.cycle(write=write))

    assert all(out["operands"] == activations[1, -1, :, -1].tolist() for out in seen)
