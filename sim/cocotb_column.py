"""Testbench of one token column, from beats to drained psums."""

from collections import defaultdict
from typing import Any, Final

import cocotb
import numpy as np

from hw.column import Column
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.direction import Direction
from spec.numbers import signed_range

ARCH: Final = subject_arch()
LANES, GROUPS, SEGMENT, WIDTH = ARCH.lanes, ARCH.groups, ARCH.segment, ARCH.psum_width
INPUTS: Final = ARCH.max_inputs
INDEX: Final = ARCH.tokens - 1
Timeline = defaultdict[int, dict[str, Any]]


def merge(timeline: Timeline, cycle: int, **fields: Any) -> None:
    assert not timeline[cycle].keys() & fields.keys()
    timeline[cycle].update(fields)


def load(timeline: Timeline, cycle: int, bank: int, activations: np.ndarray) -> int:
    """Write one column's activations, all other tokens -1; return the next free cycle."""
    share, mask = LANES * ARCH.activation_width, (1 << ARCH.activation_width) - 1
    for word, inputs in enumerate(activations.reshape(-1, LANES)):
        mine = sum((int(value) & mask) << (n * ARCH.activation_width) for n, value in enumerate(inputs))
        for part in range(ARCH.words_per_input_word):
            data = (1 << ARCH.stream_width) - 1
            if part == INDEX // ARCH.tokens_per_word:
                place = INDEX % ARCH.tokens_per_word * share
                data = data & ~(((1 << share) - 1) << place) | mine << place
            write = {"enable": 1, "part": part, "word": word, "bank": bank, "data": data}
            merge(timeline, cycle, write=write)
            cycle += 1
    return cycle + 4


def beats_of(direction: Direction, weights: np.ndarray, kept: np.ndarray) -> list[dict[str, Any]]:
    """Beats of one block in the order of its positions; ``kept`` is B/L groups of every vector."""
    beats = []
    if direction is Direction.VERTICAL:
        for k in range(INPUTS):
            for group in np.flatnonzero(kept[k]).tolist():
                values = weights[group * LANES : (group + 1) * LANES, k].tolist()
                beats.append(
                    {
                        "word": k // LANES,
                        "off": ((1 << LANES) - 1) ^ 1 << k % LANES,
                        "row": group,
                        "weights": values,
                        "lanes": (1 << LANES) - 1,
                    }
                )
        return beats
    for position in range(INPUTS):
        segment, output = divmod(position, SEGMENT)
        for group in np.flatnonzero(kept[position]).tolist():
            word = segment * GROUPS + group
            values = weights[output, word * LANES : (word + 1) * LANES].tolist()
            beats.append(
                {
                    "word": word,
                    "off": 0,
                    "row": output // LANES,
                    "weights": values,
                    "lanes": 1 << output % LANES,
                }
            )
    return beats


def kept_weights(direction: Direction, weights: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The weights that the beats carry, zeros elsewhere."""
    mask = np.zeros_like(weights, dtype=bool)
    for position in range(INPUTS):
        for group in np.flatnonzero(kept[position]).tolist():
            if direction is Direction.VERTICAL:
                mask[group * LANES : (group + 1) * LANES, position] = True
            else:
                segment, output = divmod(position, SEGMENT)
                low = segment * SEGMENT + group * LANES
                mask[output, low : low + LANES] = True
    return np.where(mask, weights, 0)


def multiply(timeline: Timeline, cycle: int, bank: int, beats: list[dict[str, Any]]) -> tuple[int, set[int]]:
    """Place a beat in every cycle; return the next free cycle and which psums were started."""
    started: set[int] = set()
    before: tuple[int, int] | None = None
    for beat in beats:
        row, lanes = beat["row"], [n for n in range(LANES) if beat["lanes"] >> n & 1]
        first = sum(1 << n for n in range(LANES) if row * LANES + n not in started)
        merge(timeline, cycle, read={"word": beat["word"], "bank": bank})
        merge(timeline, cycle + Column.LANE_CYCLE, off=beat["off"])
        merge(timeline, cycle + Column.WEIGHT_CYCLE, weights=beat["weights"])
        control = {"row": row + bank * GROUPS, "write": beat["lanes"], "fresh": first}
        if before is not None and before[0] == row:
            control["forward"] = before[1]
            control["fresh"] |= before[1]
        merge(timeline, cycle + Column.psum_cycle(ARCH), psums=control)
        started |= {row * LANES + n for n in lanes}
        before, cycle = (row, beat["lanes"]), cycle + 1
    return cycle + 2, started


def drain(timeline: Timeline, cycle: int, bank: int, started: set[int]) -> tuple[int, list[int]]:
    """Steal row after row; return the next free cycle and when psum control stole each."""
    steals = []
    for row in range(GROUPS):
        first = sum(1 << n for n in range(LANES) if row * LANES + n not in started)
        steals.append(cycle + Column.psum_cycle(ARCH))
        merge(timeline, steals[-1], psums={"row": row + bank * GROUPS, "steal": 1, "fresh": first})
        cycle += ARCH.tokens
    return cycle, steals


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(direction=list(Direction), density=[1.0, 0.4])
async def drained_psums_equal_the_matrix_product(dut: Any, direction: Direction, density: float) -> None:
    """Two blocks, one per activation and psum bank, the second's first beat right after the first."""
    generator = np.random.default_rng(int(direction) + round(10 * density))
    low_x, high_x = signed_range(ARCH.activation_width)
    low_w, high_w = signed_range(ARCH.weight_width)
    timeline: Timeline = defaultdict(dict)
    cycle, products, steals, started = 0, [], [], []
    blocks = []
    for bank in range(2):
        activations = generator.integers(low_x, high_x + 1, INPUTS)
        weights = generator.integers(low_w, high_w + 1, (SEGMENT, INPUTS))
        kept = generator.random((INPUTS, GROUPS)) < density
        cycle = load(timeline, cycle, bank, activations)
        blocks.append(beats_of(direction, weights, kept))
        products.append(kept_weights(direction, weights, kept) @ activations)
    for bank, beats in enumerate(blocks):
        cycle, touched = multiply(timeline, cycle, bank, beats)
        started.append(touched)
    for bank in range(2):
        cycle, times = drain(timeline, cycle, bank, started[bank])
        steals.append(times)
    ports = Ports(dut, Column(ARCH))
    await start(dut)
    ports.hold(index=INDEX)

    latency = Column.CAPTURE_LATENCY
    seen = []
    for n in range(max(timeline) + latency + 1):
        seen.append(await ports.cycle(chain={"horizontal": int(direction), **timeline.get(n, {})}))

    expected = [0] * len(seen)
    for times, product in zip(steals, products, strict=True):
        for n, row in zip(times, product.reshape(GROUPS, LANES), strict=True):
            fields = ((int(psum) & ((1 << WIDTH) - 1)) << (lane * WIDTH) for lane, psum in enumerate(row))
            expected[n + latency] = sum(fields)
    # Nothing at any other time, when another column gives out its psums.
    assert [out["captured"] for out in seen] == expected


@cocotb.test(timeout_time=100, timeout_unit="us")
async def everything_goes_on_to_the_next_column_a_cycle_later(dut: Any) -> None:
    """The chain leaves as it came."""
    generator = np.random.default_rng(7)
    ports = Ports(dut, Column(ARCH))
    await start(dut)
    ports.hold(index=INDEX)
    width = len(dut.chain)
    sent, seen = [], []
    for _ in range(50):
        word = int.from_bytes(generator.bytes(width // 8 + 1), "little") & ((1 << width) - 1)
        sent.append(ports.decode("chain", word))

        seen.append(await ports.cycle(chain=sent[-1]))

    seen.append(await ports.cycle())
    assert [out["chain_next"] for out in seen[1:]] == sent
