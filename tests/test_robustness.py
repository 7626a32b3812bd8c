"""Damaged streams: the core answers an error, never hangs, and the next good job is exact."""

from functools import cache

import pytest

from codesign.regression.aftermath import Aftermath, aftermath_defects, draw_aftermaths
from codesign.regression.architectures import ARCHS
from codesign.regression.jobs import stream_of
from codesign.regression.output_cases import OUTPUT_ARCHS
from codesign.regression.robustness import damage_defects
from spec.counters import COUNTERS
from spec.packet import Header, Opcode, frame_answer
from sw.reference import execute
from tests.slices import often

ROBUST = {name: ARCHS[name] for name in ("tiny", "cramped", "narrow_words", "weights_3")}
ROBUST["output_stage"] = OUTPUT_ARCHS["wide"]


@cache
def cases_of(name: str) -> list[Aftermath]:
    """Cases of one architecture."""
    return draw_aftermaths(ROBUST[name], random_cases=180)


def test_good_jobs_use_every_slot_for_split_blocks() -> None:
    arch = ARCHS["cramped"]
    passes = [one for case in cases_of("cramped") for one in case.good.packed.schedule.passes]
    parts = [part for one in passes for cluster in one.clusters for part in cluster if part.parts > 1]

    assert {part.slot for part in parts} == set(range(arch.split_slots))


@pytest.mark.parametrize(
    ("name", "stall"),
    often(
        [(name, stall) for name in ROBUST for stall in (0.0, 0.3)],
        [("cramped", 0.3), ("narrow_words", 0.3), ("output_stage", 0.0)],
    ),
)
def test_damage_is_reported_and_the_next_job_is_exact(name: str, stall: float) -> None:
    assert damage_defects(cases_of(name), ROBUST[name], stall) == []


def test_a_wrong_field_of_done_and_a_wrong_opcode_of_an_error_are_seen() -> None:
    arch = ROBUST["tiny"]
    case = next(one for one in cases_of("tiny") if one.damage.opcode == Opcode.VALUES)
    code = min(case.damage.codes)
    good = execute(stream_of(case.good, arch), arch)

    def judged(opcode: int, cluster: int, errors: int = 1) -> str:
        error = frame_answer(Header(Opcode.ERROR, 0, opcode, code), b"", 8) * errors
        done = Header(Opcode.DONE, len(COUNTERS), cluster, tag=case.good.packed.tag)
        answer = error + good + frame_answer(done, bytes(8 * len(COUNTERS)), 8)
        return "\n".join(aftermath_defects([case], answer, arch))

    assert "DONE has" not in judged(Opcode.VALUES, 0) and "DONE has" in judged(Opcode.VALUES, 1)
    assert "names opcode" not in judged(Opcode.VALUES, 0)
    assert "names opcode 0x04 instead of the one at fault" in judged(Opcode.RECORDS, 0)
    assert "ERROR 0 is" not in judged(Opcode.VALUES, 0) and "ERROR 1 is" not in judged(Opcode.VALUES, 0)
    assert "ERROR 0 is None" in judged(Opcode.VALUES, 0, errors=0)
    assert "ERROR 1 is Header" in judged(Opcode.VALUES, 0, errors=2)
