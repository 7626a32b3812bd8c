"""Testbench of the split adder."""

import random
from dataclasses import dataclass
from typing import Any, Final

import cocotb
import numpy as np
from numpy.typing import NDArray

from hw.shapes import ItemKind, offer_shape
from hw.split_adder import SplitAdder
from sim.ports import Ports, encode_bundle
from sim.streams import start
from sim.subject import subject_arch
from spec.packet import Header, Opcode

ARCH: Final = subject_arch()
TAG: Final = 201
WORDS: Final = ARCH.words_per_block
SHAPE: Final = (WORDS, ARCH.psums_per_word)


def words_of(psums: NDArray[np.int64]) -> list[int]:
    """Rows of psums as stream words, modulo an output's width."""
    width = ARCH.output_width
    return [
        sum((int(psum) & ((1 << width) - 1)) << (n * width) for n, psum in enumerate(row)) for row in psums
    ]


@dataclass
class Part:
    """One part of a block; ``sums`` are the psums of the parts so far, of those that are emitted."""

    psums: NDArray[np.int64]
    cluster: int
    sequence: int
    slot: int
    others: int
    split: bool
    sums: NDArray[np.int64] | None = None
    job_end: int = 0

    def items(self) -> list[dict[str, Any]]:
        """Inputs of its cycles, one after the other."""
        parts = {"split": int(self.split), "slot": self.slot, "others": self.others}
        offer = encode_bundle(offer_shape(ARCH), {"sequence": self.sequence, **parts})
        kinds = [ItemKind.BLOCK_HEADER, *[ItemKind.BLOCK_DATA] * WORDS, ItemKind.BLOCK_TRAILER]
        words = [offer, *words_of(self.psums), 0]
        addresses = [0, *range(WORDS), 0]
        inputs: list[dict[str, Any]] = [
            {"item": {"kind": kind.value, "cluster": self.cluster, "address": address}, "answer": word}
            for kind, address, word in zip(kinds, addresses, words, strict=True)
        ]
        inputs[-1]["item"]["job_end"] = self.job_end
        return inputs

    def outputs(self) -> list[dict[str, int]]:
        """What comes out for each of its items."""
        kinds = [ItemKind.BLOCK_HEADER, *[ItemKind.BLOCK_DATA] * WORDS, ItemKind.BLOCK_TRAILER]
        outputs = [{"kind": kind.value, "emit": int(self.sums is not None), "job_end": 0} for kind in kinds]
        outputs[-1]["job_end"] = self.job_end
        if self.sums is not None:
            header = Header(Opcode.PSUMS, length=WORDS, cluster=self.cluster, argument=self.sequence, tag=TAG)
            for out, word in zip(outputs, [header.encode(), *words_of(self.sums)], strict=False):
                out["word"] = word
        return outputs


def random_parts(rng: random.Random, blocks: int) -> list[Part]:
    """Whole blocks and split ones, the parts of blocks in different slots mixed; every slot used again."""
    generator = np.random.default_rng(rng.getrandbits(32))
    parts: list[Part] = []
    slots: dict[int, tuple[int, NDArray[np.int64]]] = {}
    needed: dict[int, int] = {}
    begun = 0
    while begun < blocks or slots:
        psums = generator.integers(-(1 << 31), 1 << 31, SHAPE)
        part = Part(
            psums,
            rng.randrange(ARCH.clusters),
            rng.randrange(ARCH.block_depth),
            rng.randrange(ARCH.split_slots),
            rng.randrange(256),
            False,
        )
        part.job_end = rng.randrange(2)
        if begun >= blocks or rng.random() < 0.7:
            if part.slot in slots:
                arrived, total = slots.pop(part.slot)
            elif begun < blocks:
                arrived, total = 0, np.zeros(SHAPE, np.int64)
                needed[part.slot] = rng.choice([2, 2, 3, 5])
                begun += 1
            else:
                continue
            part.split, part.others = True, needed[part.slot] - 1
            if arrived == part.others:
                part.sums = total + psums
            else:
                slots[part.slot] = (arrived + 1, total + psums)
        else:
            part.sums, begun = psums, begun + 1
        parts.append(part)
    return parts


async def play(ports: Ports, parts: list[Part], gap: Any) -> None:
    """Send parts with ``gap()`` idle cycles behind each, status words among them, and check all outputs."""
    expected: list[dict[str, int]] = [{"kind": 0}] * SplitAdder.LATENCY
    status = 1
    for part in parts:
        idle = gap()
        cycles = list(zip(part.items(), part.outputs(), strict=True))
        for n in range(idle):
            cycles.append(({}, {"kind": 0, "job_end": 0}))
            if n == 1:
                status = status * 7 % (1 << 40)
                kind = {"kind": ItemKind.STATUS_DATA.value}
                cycles.append(({"item": kind, "answer": status}, {**kind, "word": status, "emit": 1}))
        for inputs, outputs in cycles:
            expected.append(outputs)
            out = await ports.cycle(**inputs)
            wanted = expected.pop(0)
            assert {name: out[name] for name in wanted} == wanted
    for wanted in expected:
        out = await ports.cycle()
        assert {name: out[name] for name in wanted} == wanted


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(longest_gap=[1, 6])
async def parts_are_summed_and_whole_blocks_pass(dut: Any, longest_gap: int) -> None:
    """Only the last part of a block is emitted, with the sum of all; sums wrap as psums do."""
    rng = random.Random(f"split-{longest_gap}")
    ports = Ports(dut, SplitAdder(ARCH))
    await start(dut)
    ports.hold(tag=TAG)
    await ports.cycle(clear=1)
    parts = random_parts(rng, 60)
    assert {part.sums is None for part in parts} == {False, True}

    # The collector leaves a cycle between blocks, to choose the next.
    await play(ports, parts, lambda: rng.randint(1, longest_gap))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def parts_of_one_block_may_follow_each_other_at_once(dut: Any) -> None:
    """A slot is read again as soon as the collector can: the sum before is there."""
    generator = np.random.default_rng(3)
    ports = Ports(dut, SplitAdder(ARCH))
    await start(dut)
    ports.hold(tag=TAG)
    for _ in range(3):
        parts, total = [], np.zeros(SHAPE, np.int64)
        for n in range(6):
            psums = generator.integers(-(1 << 28), 1 << 28, SHAPE)
            total = total + psums
            parts.append(Part(psums, 0, n, 1, 5, True, total if n == 5 else None))

        await play(ports, parts, lambda: 1)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def clear_forgets_parts_of_an_abandoned_job(dut: Any) -> None:
    """The first part after a clear starts its slot from 0."""
    generator = np.random.default_rng(4)
    ports = Ports(dut, SplitAdder(ARCH))
    await start(dut)
    ports.hold(tag=TAG)
    first, second, third = generator.integers(-(1 << 28), 1 << 28, (3, *SHAPE))
    await play(ports, [Part(first, 0, 0, 1, 1, True)], lambda: 1)

    await ports.cycle(clear=1)
    await ports.cycles(SplitAdder.CLEAR_LATENCY)

    parts = [Part(second, 0, 0, 1, 1, True), Part(third, 1, 1, 1, 1, True, second + third)]
    await play(ports, parts, lambda: 1)
