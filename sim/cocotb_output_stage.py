"""Testbench of the output stage: parameters, tables, and words of codes."""

import random
from dataclasses import dataclass
from typing import Any, Final

import cocotb
import numpy as np
from numpy.typing import NDArray

from hw.output_stage import OutputStage
from hw.shapes import ItemKind
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import signed_range
from spec.packet import Header, Opcode
from sw.output_packets import pack_parameters, pack_table
from sw.outputs import OutputParameters, requantize

ARCH: Final = subject_arch()
WIDTH: Final = ARCH.activation_width
LOW, HIGH = signed_range(WIDTH)
WORD_BYTES: Final = ARCH.stream_width // 8
OUTPUTS: Final = ARCH.output_blocks * ARCH.segment
PSUMS: Final = ARCH.segment * ARCH.tokens
BLOCK: Final = (ItemKind.BLOCK_HEADER, ItemKind.BLOCK_DATA, ItemKind.BLOCK_TRAILER)
STATUS: Final = (ItemKind.STATUS_HEADER, ItemKind.STATUS_DATA, ItemKind.STATUS_TRAILER)


def pack_words(numbers: NDArray[np.int64], width: int) -> list[int]:
    """Numbers as stream words, first number lowest."""
    per_word = ARCH.stream_width // width
    words = []
    for first in range(0, len(numbers), per_word):
        fields = numbers[first : first + per_word].tolist()
        words.append(sum((field & ((1 << width) - 1)) << (n * width) for n, field in enumerate(fields)))
    return words


@dataclass
class Layer:
    """A mode and the parameters of every output; without them the layer is raw."""

    parameters: OutputParameters | None

    @classmethod
    def drawn(cls, rng: random.Random, *, relu: bool, table: bool) -> "Layer":
        generator = np.random.default_rng(rng.getrandbits(32))
        entries = generator.integers(LOW, HIGH + 1, 1 << WIDTH).astype(np.int8)
        return cls(
            OutputParameters(
                generator.integers(-(1 << 20), 1 << 20, OUTPUTS),
                generator.integers(1 << 30, 1 << 31, OUTPUTS),
                generator.integers(38, 48, OUTPUTS)
                if ARCH.output_width == 32
                else generator.integers(34, 44, OUTPUTS),
                int(generator.integers(LOW, HIGH + 1)),
                relu,
                entries if table else None,
            )
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What holds for the whole layer."""
        its = self.parameters
        if its is None:
            return {"mode": {"requantize": 0, "relu": 1, "table": 1}, "zero_point": LOW}
        mode = {"requantize": 1, "relu": int(its.relu), "table": int(its.table is not None)}
        return {"mode": mode, "zero_point": its.zero_point}

    async def load(self, ports: Ports, rng: random.Random) -> None:
        """Send parameters and table, with gaps."""
        its = self.parameters
        if its is None:
            return
        packets = [("parameters", pack_parameters(its.bias, its.multiplier, its.shift, ARCH))]
        if its.table is not None:
            packets.append(("entries", pack_table(its.table, ARCH)))
        for kind, payload in packets:
            await ports.cycle(settings=self.settings | {"restart": 1})
            for at in range(0, len(payload), WORD_BYTES):
                await ports.cycles(rng.choice([0, 0, 2]))
                word = int.from_bytes(payload[at : at + WORD_BYTES], "little")
                await ports.cycle(settings=self.settings | {kind: 1}, load_data=word)
        ports.hold(settings=self.settings)
        await ports.cycles(4)

    def items(self, rng: random.Random) -> tuple[list[dict[str, int]], list[tuple[int, int, int]]]:
        """One block: what goes in, and kind, word and emit of what must come out."""
        generator = np.random.default_rng(rng.getrandbits(32))
        reach = (1 << 24) if ARCH.output_width == 32 else 1 << 15
        psums = generator.integers(-reach, reach, (ARCH.segment, ARCH.tokens))
        block, emit = rng.randrange(ARCH.output_blocks), int(rng.random() < 0.8)
        cluster, tag, part = rng.randrange(256), rng.randrange(256), rng.getrandbits(16)
        words = pack_words(in_order(psums), ARCH.output_width)
        header = Header(Opcode.PSUMS, len(words), cluster, part, tag)
        kinds = [BLOCK[0], *[BLOCK[1]] * len(words), BLOCK[2]]
        values = [header.encode(), *words, rng.getrandbits(32)]
        items = [
            {"kind": kind.value, "word": word, "emit": emit, "block": block if kind is BLOCK[0] else 0}
            for kind, word in zip(kinds, values, strict=True)
        ]
        out = [(kind.value, word, emit) for kind, word in zip(kinds, values, strict=True)]
        its = self.parameters
        if its is None:
            return items, out
        rows = slice(block * ARCH.segment, (block + 1) * ARCH.segment)
        own = OutputParameters(
            its.bias[rows], its.multiplier[rows], its.shift[rows], its.zero_point, its.relu, its.table
        )
        codes = pack_words(in_order(requantize(psums, own, WIDTH).astype(np.int64)), WIDTH)
        ratio = ARCH.output_width // WIDTH
        header = Header(Opcode.CODES, len(codes), cluster, part, tag)
        out = [(BLOCK[0].value, header.encode(), emit)]
        for number in range(len(words)):
            fills = number % ratio == ratio - 1 or number == len(words) - 1
            out.append((BLOCK[1].value, codes[number // ratio], int(emit and fills)))
        return items, [*out, (BLOCK[2].value, 0, emit)]


def in_order(block: NDArray[np.int64]) -> NDArray[np.int64]:
    """A block's outputs, B x T, in the order group row, token, lane."""
    rows = block.reshape(ARCH.groups, ARCH.lanes, ARCH.tokens)
    return rows.transpose(0, 2, 1).reshape(-1)


def status(rng: random.Random) -> tuple[list[dict[str, int]], list[tuple[int, int, int]]]:
    """A status packet, which passes in every mode."""
    words = [rng.getrandbits(ARCH.stream_width) for _ in STATUS]
    items = [{"kind": kind.value, "word": word, "emit": 1} for kind, word in zip(STATUS, words, strict=True)]
    return items, [(kind.value, word, 1) for kind, word in zip(STATUS, words, strict=True)]


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(longest_gap=[0, 5])
async def blocks_come_out_as_codes_or_unchanged(dut: Any, longest_gap: int) -> None:
    """Layers of every mode one after the other; items keep their distances, ``LATENCY`` cycles later."""
    rng = random.Random(f"output-stage-{longest_gap}")
    ports = Ports(dut, OutputStage(ARCH))
    await start(dut)
    layers = [Layer.drawn(rng, relu=relu, table=table) for relu in (False, True) for table in (False, True)]
    for layer in (layers[3], Layer(None), *layers):
        ports.hold(settings=layer.settings)
        await layer.load(ports, rng)
        inputs: list[dict[str, int]] = []
        outputs: list[tuple[int, int, int]] = []
        for _ in range(12):
            for items, out in (layer.items(rng), status(rng) if rng.random() < 0.3 else ([], [])):
                for item, its in zip(items, out, strict=True):
                    gap = rng.randint(0, longest_gap)
                    inputs += [*[{}] * gap, item]
                    outputs += [*[(0, 0, 0)] * gap, its]
            inputs.append({})
            outputs.append((0, 0, 0))

        seen = [await ports.cycle(**one) for one in inputs] + await ports.cycles(OutputStage.LATENCY)

        check(seen[OutputStage.LATENCY :], outputs, layer)


def check(seen: list[dict[str, int]], outputs: list[tuple[int, int, int]], layer: Layer) -> None:
    """Compare what came out; of data only the bits that outputs fill."""
    width = ARCH.output_width if layer.parameters is None else WIDTH
    left = 0
    for out, (kind, word, emit) in zip(seen, outputs, strict=True):
        assert out["kind_out"] == kind
        if kind == BLOCK[0].value:
            left = PSUMS * width
        if kind:
            assert out["emit_out"] == emit
        # The word of an item that is not emitted, or of a block's trailer, is nobody's.
        if not kind or kind == BLOCK[2].value or not emit:
            continue
        mask = (1 << min(left, ARCH.stream_width)) - 1 if kind == BLOCK[1].value else -1
        assert out["word_out"] & mask == word & mask
        left -= ARCH.stream_width if kind == BLOCK[1].value else 0
