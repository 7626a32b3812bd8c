"""What packing, scheduling and reading answers refuse, word for word, and the last that they take."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from codesign.regression.layers import random_layer
from codesign.regression.output_cases import with_outputs
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.packet import ErrorCode, Header, Opcode, frame_answer, read_answers
from sw.blocks import Blocking
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.reference import execute
from sw.schedule import schedule_layer
from sw.spans import KeptGroups
from sw.unpack import PackedLayer, unpack

ARCH = ArchConfig(
    clusters=2, lanes=2, tokens=2, segment=8, activation_depth=8, value_depth=64, output_blocks=4
)
SHORT = ArchConfig(clusters=1, lanes=1, tokens=1, segment=1, activation_depth=2)


def layer(rows: int, cols: int, density: float = 0.5, *, name: str = "it") -> QuantizedLayer:
    """A random vertical layer."""
    return random_layer(
        np.random.default_rng(rows), ARCH, (rows, cols), Direction.VERTICAL, density, name=name
    )


def stage_layer(rows: int, cols: int, density: float = 0.5) -> QuantizedLayer:
    """The same, requantized."""
    return with_outputs(np.random.default_rng(1), layer(rows, cols, density), ARCH)


def check(name: str, rows: int, cols: int, segment: int = 1) -> None:
    """Check the size of a matrix."""
    Blocking(rows, cols, Direction.HORIZONTAL, SHORT.model_copy(update={"segment": segment})).check(name)


def schedule(shape: tuple[int, int, int], arch: ArchConfig, *, whole: bool = False) -> None:
    """Schedule a dense layer."""
    schedule_layer(KeptGroups(np.ones(shape, np.bool_)), arch, name="it", whole=whole)


DEEP = ARCH.model_copy(update={"activation_depth": 64})
SCANTY = DEEP.model_copy(update={"clusters": 1, "segment": 2, "record_depth": 2})


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: pack([], ARCH), "a packed file needs at least one layer"),
        (
            lambda: pack([layer(8, 8), layer(9, 9, name="other"), layer(8, 8)], ARCH),
            "layer names must differ, but it occurs 2 times",
        ),
        (
            lambda: pack([stage_layer(33, 16)], ARCH),
            "layer it is requantized and has 5 blocks, but the output parameters of 4 fit on chip; "
            "raise `output_blocks`",
        ),
        (
            lambda: pack([stage_layer(8, 17)], ARCH),
            "layer it is requantized, so its 17 inputs must fit on chip at once, but they take 2 chunks; "
            "raise `activation_depth`",
        ),
        (
            lambda: pack([layer((1 << 16) + 1, 1)], SHORT),
            "layer it has 65537 blocks of 1 outputs, more than 65536; raise `segment` or split its outputs "
            "over two layers",
        ),
        (
            lambda: check("it", 1 << 16, (1 << 14) + 1),
            "layer it of 65536 x 16385 exceeds 1073741824 weights when padded to blocks; split it into "
            "smaller layers",
        ),
        (lambda: schedule((1, 4, 3), ARCH), "layer it has segments of 3 groups, not 4"),
        (lambda: schedule((0, 4, 4), ARCH), "layer it is empty"),
        (lambda: schedule((4, 0, 4), ARCH), "layer it is empty"),
        (
            lambda: schedule((1, 17, 4), ARCH, whole=True),
            "layer it is requantized, so its 17 inputs must fit on chip at once, but they take 2 chunks; "
            "raise `activation_depth`",
        ),
        (
            lambda: pack([layer(1, (1 << 17) + 1)], SHORT),
            "layer it needs 65537 chunks of 2 inputs, more than 65536; raise `activation_depth`",
        ),
        (
            # All clusters together hold 2 x 60 beats of one block.
            lambda: schedule((2, 31, 4), DEEP, whole=True),
            "layer it is requantized, so each of its blocks must fit in one pass, but one has 124 beats; "
            "raise `value_depth`",
        ),
        (
            # A part of it would drain for longer than all of it takes.
            lambda: schedule((1, 25, 4), DEEP.model_copy(update={"tokens": 31}), whole=True),
            "layer it is requantized, so each of its blocks must fit in one pass, but one has 100 beats; "
            "raise `value_depth`",
        ),
        (
            # Two words hold 32 records of 4 bits.
            lambda: schedule((1, 33, 1), SCANTY, whole=True),
            "layer it is requantized, so each of its blocks must fit in one pass, but one has 33 records; "
            "raise `record_depth`",
        ),
    ],
)
def test_packing_refuses_in_one_sentence(refused: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        refused()
    assert str(refusal.value) == message


def test_a_header_holds_nothing_that_is_not_json() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            pack([layer(8, 8)], ARCH, {"loss": value})


def test_sizes_up_to_the_limit_are_taken() -> None:
    check("it", 1 << 16, 1 << 14)
    check("it", (1 << 18) - 3, (1 << 12) - 3, segment=4)
    assert len(schedule_layer(KeptGroups(np.ones((1, 16, 4), np.bool_)), ARCH, whole=True).passes) == 1
    assert len(unpack(pack([stage_layer(32, 16)], ARCH)).layers[0].schedule.passes) >= 1
    assert len(schedule_layer(KeptGroups(np.ones((1, 30, 4), np.bool_)), DEEP, whole=True).passes) == 1
    assert len(schedule_layer(KeptGroups(np.ones((1, 32, 1), np.bool_)), SCANTY, whole=True).passes) == 1


PACKED: PackedLayer = unpack(pack([layer(13, 21), layer(29, 21, name="second")], ARCH)).layers[1]
ACTIVATIONS = np.arange(21 * 3).reshape(21, 3) - 30
ANSWER = execute(job_stream(PACKED, ACTIVATIONS, ARCH), ARCH)
"""Three tokens, so two tiles."""
ANSWERS = [
    frame_answer(one.header, one.payload, ARCH.stream_width // 8)
    for one in read_answers(ANSWER, ARCH.stream_width // 8)
]


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (
            ACTIVATIONS[:-1],
            "layer second multiplies 21 x N activations, N at least 1, not an array of shape (20, 3)",
        ),
        (
            ACTIVATIONS[:, :0],
            "layer second multiplies 21 x N activations, N at least 1, not an array of shape (21, 0)",
        ),
        (
            ACTIVATIONS[:, 0],
            "layer second multiplies 21 x N activations, N at least 1, not an array of shape (21,)",
        ),
        (ACTIVATIONS / 2, "activations of layer second must be integers, not float64"),
        (
            ACTIVATIONS + 96,
            "activations of layer second must lie in -128 to 127, not 66 to 128; quantize them to 8 bits",
        ),
        (
            ACTIVATIONS - 99,
            "activations of layer second must lie in -128 to 127, not -129 to -67; quantize them to 8 bits",
        ),
    ],
)
def test_activations_are_refused_in_one_sentence(activations: NDArray[Any], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        job_stream(PACKED, activations, ARCH)
    assert str(refusal.value) == message


def test_activations_up_to_the_limits_are_taken() -> None:
    for shift in (95, -98):
        answer = execute(job_stream(PACKED, ACTIVATIONS + shift, ARCH), ARCH)
        expected = PACKED.weights.astype(np.int64) @ (ACTIVATIONS + shift)
        assert np.array_equal(read_outputs(answer, PACKED, 3, ARCH).outputs, expected)


def renamed(answer: bytes, **fields: int) -> bytes:
    """One answer with other header fields."""
    (packet,) = read_answers(answer, ARCH.stream_width // 8)
    return frame_answer(replace(packet.header, **fields), packet.payload, ARCH.stream_width // 8)


def longer(answer: bytes) -> bytes:
    """One answer with a word more."""
    (packet,) = read_answers(answer, ARCH.stream_width // 8)
    return frame_answer(replace(packet.header, length=packet.header.length + 1), packet.payload + bytes(8), 8)


def done(counters: int = len(COUNTERS)) -> bytes:
    """A DONE of so many counters, numbered from 2^40 up."""
    payload = b"".join((n + (1 << 40)).to_bytes(8, "little") for n in range(counters))
    return frame_answer(Header(Opcode.DONE, counters), payload, 8)


FIRST = next(read_answers(ANSWER, 8)).header


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "pass 0, tile 0: the answer ends without block 0"),
        (
            b"".join([ANSWERS[0], ANSWERS[0], *ANSWERS]),
            f"pass 0, tile 0: block {PACKED.passes[0].clusters[FIRST.cluster].parts[0].block} came twice",
        ),
        (ANSWER + ANSWERS[-1], "more packets follow than the layer has jobs"),
        (
            renamed(ANSWERS[0], opcode=Opcode.CODES),
            "pass 0, tile 0: PSUMS of 8 words with tag 1 must follow, not "
            f"{replace(FIRST, opcode=int(Opcode.CODES))}",
        ),
        (
            renamed(ANSWERS[0], tag=0),
            f"pass 0, tile 0: PSUMS of 8 words with tag 1 must follow, not {replace(FIRST, tag=0)}",
        ),
        (
            longer(ANSWERS[0]),
            f"pass 0, tile 0: PSUMS of 8 words with tag 1 must follow, not {replace(FIRST, length=9)}",
        ),
        (renamed(ANSWERS[0], cluster=2), "pass 0, tile 0: cluster 2 has no part 0"),
        (
            renamed(ANSWERS[0], argument=len(PACKED.passes[0].clusters[FIRST.cluster].parts)),
            f"pass 0, tile 0: cluster {FIRST.cluster} has no part "
            f"{len(PACKED.passes[0].clusters[FIRST.cluster].parts)}",
        ),
        (done() + ANSWER, "the answer must end with its only DONE packet"),
        (ANSWER + done() + done(), "the answer must end with its only DONE packet"),
        (
            ANSWER + done(len(COUNTERS) - 1),
            f"DONE holds {len(COUNTERS)} counters, not {len(COUNTERS) - 1} words",
        ),
    ],
)
def test_answers_are_refused_in_one_sentence(answer: bytes, message: str) -> None:
    with pytest.raises(FormatError) as refusal:
        read_outputs(answer, PACKED, 3, ARCH)
    assert str(refusal.value) == message


def test_the_pass_and_tile_that_lack_a_block_are_named() -> None:
    with pytest.raises(FormatError) as refusal:
        read_outputs(b"".join(ANSWERS[:-1]), PACKED, 3, ARCH)
    last = len(PACKED.passes) - 1
    assert str(refusal.value).startswith(f"pass {last}, tile 1: the answer ends without block ")


def test_errors_name_the_code_or_its_number_and_keep_the_counters() -> None:
    errors = [
        frame_answer(Header(Opcode.ERROR, 0, opcode, code), b"", 8)
        for opcode, code in ((Opcode.VALUES, ErrorCode.NO_SYNC), (0xEE, ErrorCode.NO_END), (1, 77))
    ]

    result = read_outputs(b"".join([ANSWER, *errors, done()]), PACKED, 3, ARCH)

    assert result.errors == (
        "the accelerator refused the stream: NO_SYNC at a packet with opcode 0x05",
        "the accelerator refused the stream: NO_END at a packet with opcode 0xee",
        "the accelerator refused the stream: code 77 at a packet with opcode 0x01",
    )
    assert result.counters == {name: n + (1 << 40) for n, name in enumerate(COUNTERS)}
    assert result.outputs.dtype == np.int32 and result.outputs.tolist() == [[0] * 3] * 29


HALF = 1 << 30


@pytest.mark.parametrize(
    ("psums", "fits"),
    [((HALF, HALF - 1), True), ((HALF, HALF), False), ((-HALF, -HALF), True), ((-HALF - 1, -HALF), False)],
)
def test_outputs_of_several_chunks_are_added_up_to_32_bits(psums: tuple[int, int], fits: bool) -> None:
    """No layer that is packed goes further, so the answer is made up."""
    packed = unpack(pack([layer(1, 32, 1.0)], ARCH)).layers[0]
    assert [(one.chunk, len(one.clusters[0].parts)) for one in packed.passes] == [(0, 1), (1, 1)]
    answer = b"".join(
        frame_answer(
            Header(Opcode.PSUMS, ARCH.words_per_block),
            psum.to_bytes(4, "little", signed=True) + bytes(8 * ARCH.words_per_block - 4),
            8,
        )
        for psum in psums
    )

    if fits:
        assert read_outputs(answer, packed, 1, ARCH).outputs.tolist() == [[sum(psums)]]
        return
    with pytest.raises(FormatError) as refusal:
        read_outputs(answer, packed, 1, ARCH)
    assert str(refusal.value) == "an output lies outside the 32-bit range -2147483648 to 2147483647"
