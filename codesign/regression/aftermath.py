"""Damaged streams, each with a good job right behind it, and what is wrong with the answers."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import numpy as np

from codesign.regression.block_answers import same_outputs, undue_blocks
from codesign.regression.cut_records import cut_records
from codesign.regression.damage import Damage, damaged
from codesign.regression.defects import defects
from codesign.regression.header_bits import wrong_header_bits
from codesign.regression.jobs import Job, make_jobs, stream_of, tagged
from codesign.regression.layers import random_activations, random_layer
from codesign.regression.output_cases import with_outputs
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.packet import ErrorCode, Header, Opcode, Packet, frame_answer, frame_packet, read_answers
from sw.receiver import Receiver, ToldError

__all__ = [
    "BAD_TAG",
    "Aftermath",
    "aftermath_defects",
    "cut",
    "draw_aftermaths",
    "good_jobs",
    "small_job",
    "wrong_bits",
]

BAD_TAG: Final = 0
_RAW_SEED: Final = 21


@dataclass(frozen=True, eq=False)
class Aftermath:
    """A damaged stream and the good job sent right behind it.

    Parameters
    ----------
    damage : Damage
        Its packets have the tag ``BAD_TAG``.
    good : Job
        With any other tag.
    """

    damage: Damage
    good: Job

    def stream(self, arch: ArchConfig) -> bytes:
        """Return the words of both."""
        return self.damage.stream + stream_of(self.good, arch)


def small_job(
    arch: ArchConfig, seed: int, direction: Direction, shape: tuple[int, int], density: float
) -> Job:
    """A job of one layer, three tiles long; requantized where that can be, but for one seed."""
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, arch, shape, direction, density)
    if arch.output_blocks and seed != _RAW_SEED:
        layer = with_outputs(rng, layer, arch, relu=seed % 2 == 0, table=True)
    activations = random_activations(rng, arch, layer, 3 * arch.tokens)
    activations[rng.random(layer.cols) < 0.3] = 0
    return make_jobs([("good", layer, activations)], arch)[0]


def good_jobs(arch: ArchConfig) -> list[Job]:
    """Jobs that show what damage may leave behind: in both directions, and in every slot of split blocks."""
    goods = [small_job(arch, 20 + n, Direction(n % 2), (13 + 9 * n, 29 - 5 * n), 0.4) for n in range(2)]
    goods.append(small_job(arch, 23, Direction.HORIZONTAL, (40, 16), 1.0))
    # Every slot is used: what damage leaves in one would be seen.
    goods.append(small_job(arch, 23, Direction.VERTICAL, (20, 30), 0.6))
    return goods


def draw_aftermaths(arch: ArchConfig, random_cases: int) -> list[Aftermath]:
    """Every damage to jobs of both directions, each followed by a good job with a tag of its own."""
    return _followed(
        [
            one
            for seed, victim in enumerate(_victims(arch))
            for one in damaged(victim, arch, seed, random_cases)
        ]
        + [one for victim in _long_victims(arch) for one in cut_records(victim, arch)],
        arch,
    )


def wrong_bits(arch: ArchConfig) -> list[Aftermath]:
    """Every bit of every kind of header wrong in turn, each followed by a good job with a tag of its own."""
    return _followed([one for victim in _victims(arch) for one in wrong_header_bits(victim, arch)], arch)


def _victims(arch: ArchConfig) -> list[bytes]:
    """Jobs of both directions to be damaged."""
    jobs = [
        small_job(arch, 11, Direction.VERTICAL, (24, 7), 0.5),
        small_job(arch, 12, Direction.HORIZONTAL, (arch.segment + 3, 13), 0.4),
    ]
    return [stream_of(tagged(job, BAD_TAG, arch), arch) for job in jobs]


def _long_victims(arch: ArchConfig) -> list[bytes]:
    """Raw jobs of both directions whose records take several words."""
    shape = 2 * arch.segment + 1, 60
    jobs = [small_job(arch, _RAW_SEED, direction, shape, 0.6) for direction in Direction]
    return [stream_of(tagged(job, BAD_TAG, arch), arch) for job in jobs]


def _followed(damages: Sequence[Damage], arch: ArchConfig) -> list[Aftermath]:
    goods = good_jobs(arch)
    return [Aftermath(one, tagged(goods[n % len(goods)], 1 + n % 255, arch)) for n, one in enumerate(damages)]


def aftermath_defects(
    cases: Sequence[Aftermath], answer: bytes, arch: ArchConfig, *, stalled: bool = False
) -> list[str]:
    """Return a sentence for everything wrong with the answer to all cases, sent as one stream.

    Raises
    ------
    FormatError
        If the answer does not consist of packets.
    """
    answers = list(read_answers(answer, arch.stream_width // 8))
    cuts = cut(answers, cases)
    return [
        *_untold(cases, [one.header for one in answers], arch),
        *undue_blocks(b"".join(case.stream(arch) for case in cases), answers, arch),
    ] + [
        sentence
        for case, before, mine in zip(cases, cuts[::2], cuts[1::2], strict=True)
        for sentence in _defects(case, before, mine, arch, stalled)
    ]


def _untold(cases: Sequence[Aftermath], answers: list[Header], arch: ArchConfig) -> list[str]:
    """Return the first ERROR and the first DONE that the rules for packets do not ask for, or miss."""
    receiver, wrong = Receiver(arch), []
    due: dict[Opcode, Sequence[ToldError | int]] = {
        Opcode.ERROR: receiver.receipt.errors,
        Opcode.DONE: receiver.receipt.done,
    }
    ends: dict[Opcode, list[int]] = {opcode: [] for opcode in due}
    for case in cases:
        receiver.receive(case.stream(arch))
        for opcode, its in due.items():
            ends[opcode].append(len(its))
    for opcode, its in due.items():
        told = [one for one in answers if one.opcode == opcode]
        for number, (header, one) in enumerate(zip_longest(told, its)):
            if not _is_due(header, one):
                at = bisect_right(ends[opcode], number)
                name = cases[at].damage.name if at < len(cases) else "the end"
                wrong.append(f"{name}: {opcode.name} {number} is {header}, but {one} is due")
                break
    return wrong


def _is_due(told: Header | None, due: ToldError | int | None) -> bool:
    if told is None or due is None:
        return False
    if isinstance(due, int):
        return told.tag == due
    return (told.argument, told.cluster, told.length) == (due.code, due.opcode, 0) and told.tag in due.tags


def cut(answers: list[Packet], cases: Sequence[Aftermath]) -> list[list[Packet]]:
    """Return the answers of damage and good job in turn.

    A good job's answers are its PSUMS and DONE. Errors among them are about the words that follow.
    """
    cuts: list[list[Packet]] = []
    left = iter(answers)
    early: list[Packet] = []
    for case in cases:
        before, mine = early, list[Packet]()
        early = []
        for packet in left:
            if packet.header.opcode == Opcode.ERROR:
                (early if mine else before).append(packet)
            elif packet.header.tag == case.good.packed.tag:
                mine.append(packet)
                if packet.header.opcode == Opcode.DONE:
                    break
            else:
                before.append(packet)
        cuts += [before, mine]
    cuts[-1] += [*early, *left]
    return cuts


def _defects(
    case: Aftermath, before: list[Packet], mine: list[Packet], arch: ArchConfig, stalled: bool
) -> list[str]:
    """Return a sentence for everything wrong with the answer to one case."""
    name = case.damage.name
    size = arch.stream_width // 8
    known = {code.value for code in ErrorCode}
    found = [one.header for one in before if one.header.opcode == Opcode.ERROR]
    codes = [header.argument for header in found]
    wrong = [f"{name}: there is no error {code}" for code in codes if code not in known]
    errors = [ErrorCode(code) for code in codes if code in known]
    if errors:
        if errors[0] not in case.damage.codes:
            wrong.append(f"{name}: {errors[0].name} instead of {sorted(case.damage.codes)}")
        if case.damage.opcode not in (None, found[0].cluster):
            wrong.append(
                f"{name}: the error names opcode {found[0].cluster:#04x} instead of the one at fault"
            )
    elif case.damage.codes and not case.damage.silent:
        wrong.append(f"{name}: no error")
    elif case.damage.stream.endswith(frame_packet(Header(Opcode.END), b"", size)):
        done = [one.header for one in before if one.header.opcode == Opcode.DONE]
        if not done or any(header.tag != BAD_TAG for header in done):
            wrong.append(f"{name}: neither an error nor DONE")
    if case.damage.meant is not None and not same_outputs(before, case.damage.meant, arch):
        wrong.append(f"{name}: other outputs than those of the stream that is meant")
    answer = b"".join(frame_answer(one.header, one.payload, size) for one in mine)
    try:
        wrong += [f"after {name}: {defect}" for defect in defects(case.good, answer, arch, stalled=stalled)]
    except ValueError as error:
        wrong.append(f"after {name}: {error}")
    return wrong
