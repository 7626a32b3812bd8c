"""Damaged streams: the core answers an error, never hangs, and the next good job is exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.packet import ErrorCode, Header, Opcode, Packet, frame_answer, frame_packet, read_answers
from tests.accelerator_runs import ARCHS, Job, defects, make_jobs, send, stream_of, tagged
from tests.damaged_jobs import Damage, damaged
from tests.output_jobs import OUTPUT_ARCHS, with_outputs
from tests.small_layers import random_activations, random_layer

ROBUST = {name: ARCHS[name] for name in ("tiny", "cramped", "weights_3")}
ROBUST["output_stage"] = OUTPUT_ARCHS["wide"]
BAD_TAG = 0
RAW_SEED = 21


@dataclass(frozen=True, eq=False)
class Case:
    """A damaged stream and the good job sent right behind it."""

    damage: Damage
    good: Job


def small_job(
    arch: ArchConfig, seed: int, direction: Direction, shape: tuple[int, int], density: float
) -> Job:
    """A job of one layer, three tiles long; requantized where that can be, but for one seed."""
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, arch, shape, direction, density)
    if arch.output_blocks and seed != RAW_SEED:
        layer = with_outputs(rng, layer, arch, relu=seed % 2 == 0, table=True)
    activations = random_activations(rng, arch, layer, 3 * arch.tokens)
    activations[rng.random(layer.cols) < 0.3] = 0
    return make_jobs([("good", layer, activations)], arch)[0]


@cache
def cases_of(name: str) -> list[Case]:
    """Every damage to jobs of both directions, each followed by a good job with a tag of its own."""
    arch = ROBUST[name]
    victims = [small_job(arch, 11, Direction.VERTICAL, (24, 7), 0.5)]
    victims += [small_job(arch, 12, Direction.HORIZONTAL, (arch.segment + 3, 13), 0.4)]
    goods = [small_job(arch, 20 + n, Direction(n % 2), (13 + 9 * n, 29 - 5 * n), 0.4) for n in range(2)]
    goods.append(small_job(arch, 23, Direction.HORIZONTAL, (40, 16), 1.0))
    # Every slot is used: what damage leaves in one would be seen.
    goods.append(small_job(arch, 23, Direction.VERTICAL, (20, 30), 0.6))
    damages = [
        one
        for seed, victim in enumerate(victims)
        for one in damaged(stream_of(tagged(victim, BAD_TAG, arch), arch), arch, seed, random_cases=180)
    ]
    return [Case(one, tagged(goods[n % len(goods)], 1 + n % 255, arch)) for n, one in enumerate(damages)]


def run_cases(cases: Sequence[Case], arch: ArchConfig, stall: float = 0.0) -> list[list[Packet]]:
    """Send all cases as one stream, and cut the answer into what belongs to which damage and good job.

    Returns, for every case, the packets of the damaged part and those of the good job.
    """
    pieces = [(one.damage.stream, stream_of(one.good, arch)) for one in cases]
    stream = b"".join(bad + good for bad, good in pieces)
    result = send(stream, arch, stall_i=stall, stall_o=stall, seed=9, limit=200_000 + 3 * len(stream))
    if result.timed_out:
        ends = np.cumsum([len(bad + good) for bad, good in pieces]) // (arch.stream_width // 8)
        culprit = int(np.searchsorted(ends, result.accepted, side="right"))
        pytest.fail(f"hangs at word {result.accepted}, in case {culprit}: {cases[culprit].damage.name}")
    return cut(list(read_answers(result.words.astype("<u8").tobytes(), arch.stream_width // 8)), cases)


def cut(answers: list[Packet], cases: Sequence[Case]) -> list[list[Packet]]:
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


def complaints(
    case: Case, before: list[Packet], mine: list[Packet], arch: ArchConfig, stalled: bool
) -> list[str]:
    """Return a sentence for everything wrong with the answer to one case."""
    name = case.damage.name
    size = arch.stream_width // 8
    errors = [ErrorCode(one.header.argument) for one in before if one.header.opcode == Opcode.ERROR]
    wrong = []
    if errors:
        if errors[0] not in case.damage.codes:
            wrong.append(f"{name}: {errors[0].name} instead of {sorted(case.damage.codes)}")
    elif case.damage.codes and not case.damage.silent:
        wrong.append(f"{name}: no error")
    elif case.damage.stream.endswith(frame_packet(Header(Opcode.END), b"", size)):
        done = [one.header for one in before if one.header.opcode == Opcode.DONE]
        if not done or any(header.tag != BAD_TAG for header in done):
            wrong.append(f"{name}: neither an error nor DONE")
    answer = b"".join(frame_answer(one.header, one.payload, size) for one in mine)
    try:
        wrong += [f"after {name}: {defect}" for defect in defects(case.good, answer, arch, stalled=stalled)]
    except ValueError as error:
        wrong.append(f"after {name}: {error}")
    return wrong


def test_good_jobs_use_every_slot_for_split_blocks() -> None:
    arch = ARCHS["cramped"]
    passes = [one for case in cases_of("cramped") for one in case.good.packed.schedule.passes]
    parts = [part for one in passes for cluster in one.clusters for part in cluster if part.parts > 1]

    assert {part.slot for part in parts} == set(range(arch.split_slots))


@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_damage_is_reported_and_the_next_job_is_exact(name: str, stall: float) -> None:
    arch, cases = ROBUST[name], cases_of(name)

    cuts = run_cases(cases, arch, stall)

    found = [
        complaint
        for case, before, mine in zip(cases, cuts[::2], cuts[1::2], strict=True)
        for complaint in complaints(case, before, mine, arch, stall > 0)
    ]
    assert found == []
