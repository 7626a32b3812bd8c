"""What is judged of the outputs of damaged streams: which blocks must come, and what they hold."""

import numpy as np
import pytest

from codesign.regression.aftermath import draw_aftermaths, small_job
from codesign.regression.architectures import EVERYTHING
from codesign.regression.block_answers import same_outputs, undue_blocks
from codesign.regression.cut_records import cut_records
from codesign.regression.jobs import frames, stream_of
from spec.direction import Direction
from spec.packet import Header, Opcode, Packet, descriptor_layout, frame_packet, read_answers
from sw.bits import unpack_fields
from sw.reference import execute

ARCH = EVERYTHING
SIZE = ARCH.stream_width // 8
RAW = small_job(ARCH, 21, Direction.VERTICAL, (2 * ARCH.segment + 1, 60), 0.6)
CODES = small_job(ARCH, 20, Direction.HORIZONTAL, (13, 29), 0.4)


def answers_to(stream: bytes) -> list[Packet]:
    """Answers of the reference, which walks a job cluster by cluster."""
    return list(read_answers(execute(stream, ARCH), SIZE))


def with_others(stream: bytes, others: int) -> bytes:
    """All blocks as parts of slot 0 that wait for so many others."""
    layout = descriptor_layout(ARCH)
    parts = []
    for packet in frames(stream, ARCH):
        payload = packet.payload
        if packet.header.opcode == Opcode.BLOCKS:
            fields = {"start": 0, "split": 1, "slot": 0, "others": others, "block": 0}
            payload = layout.encode(fields).to_bytes(SIZE, "little") * packet.header.length
        parts.append(frame_packet(packet.header, payload, SIZE))
    return b"".join(parts)


def test_every_block_is_due_once_and_in_its_job() -> None:
    stream = stream_of(RAW, ARCH) + stream_of(CODES, ARCH)
    answers = answers_to(stream)

    assert undue_blocks(stream, answers, ARCH) == []
    assert undue_blocks(stream, answers[::-1], ARCH) != []
    for at in range(len(answers)):
        assert undue_blocks(stream, answers[:at] + answers[at + 1 :], ARCH) != [], at
        assert undue_blocks(stream, answers[:at] + answers[at : at + 1] + answers[at:], ARCH) != [], at


def test_blocks_of_one_job_come_in_any_order() -> None:
    stream = stream_of(CODES, ARCH)
    answers = answers_to(stream)
    blocks = len({(one.header.cluster, one.header.argument) for one in answers})

    assert len(answers) == 3 * blocks
    assert undue_blocks(stream, answers[:blocks][::-1] + answers[blocks:], ARCH) == []


@pytest.mark.parametrize("others", [0, 1, 2, 255])
def test_of_so_many_parts_one_is_answered(others: int) -> None:
    stream = with_others(stream_of(RAW, ARCH), others)
    parts = [
        Packet(Header(Opcode.PSUMS, ARCH.words_per_block, cluster, part, RAW.packed.tag), b"", 0)
        for one in RAW.packed.passes
        for _ in range(3)
        for cluster, its in enumerate(one.clusters)
        for part in range(len(its.parts))
    ]
    due = parts[others :: others + 1]

    assert undue_blocks(stream, due, ARCH) == []
    assert undue_blocks(stream, [*due, parts[-1]], ARCH) != []
    if due:
        assert undue_blocks(stream, due[:-1], ARCH) != []


def test_records_that_are_cut_off_mean_a_layer_with_fewer_vectors() -> None:
    stream = stream_of(RAW, ARCH)
    cut = [one for one in cut_records(stream, ARCH) if "cut off" in one.name]
    assert len(cut) >= 4

    kept = []
    for damage in cut:
        assert damage.meant is not None
        answers = answers_to(damage.meant)
        psums = [unpack_fields(one.payload, ARCH.output_width, ARCH.segment * ARCH.tokens) for one in answers]
        kept.append(int(np.count_nonzero(psums)))
        assert same_outputs(answers[::-1], damage.meant, ARCH)
        assert not same_outputs(answers[1:], damage.meant, ARCH)
        assert len(answers) == len(answers_to(stream))

    assert kept[0] == 0
    assert sorted(kept) == kept
    assert not same_outputs(answers_to(stream), cut[-1].meant or b"", ARCH)


def test_memories_full_of_endless_records_are_among_the_damage() -> None:
    names = [case.damage.name for case in draw_aftermaths(ARCH, random_cases=0)]

    assert sum(name.startswith("records that fill their memory") for name in names) == 4
