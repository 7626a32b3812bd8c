"""Streams that mutants are sent, and the judge of each answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from codesign.regression.aftermath import (
    Aftermath,
    aftermath_defects,
    draw_aftermaths,
    small_job,
    wrong_bits,
)
from codesign.regression.cases import full_layer, standard_jobs
from codesign.regression.defects import all_defects, defects
from codesign.regression.directed import directed_jobs
from codesign.regression.jobs import Job, answer_words, make_jobs, stream_of
from codesign.regression.resets import reset_trial
from codesign.regression.restreamed import with_note
from codesign.regression.runs import split_answers
from codesign.regression.scenario import draw_scenario
from sim.stream_run import Pace
from sim.words import Words, words_of
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.numbers import signed_range

__all__ = ["Program", "programs"]

_LONGEST: Final = 400
"""Words of a damaged stream."""
_PROGRAMS: Final = 9
"""Of damaged streams: each takes one in so many, so that all kinds are in every program."""
_RESETS: Final = 24
_NOTE_WORDS: Final = 150_001
_EAGER: Final = Pace()


@dataclass(frozen=True, eq=False)
class Program:
    """One stream, how it is fed, and what its answer must be.

    Parameters
    ----------
    name : str
    words : Words
    judge : callable
        Takes the bytes of the answer; returns a sentence for everything wrong, as PyTorch, the cycle model
        and the rules for damaged streams have it.
    pace : Pace
        How it is fed, and how many words of the answer to wait for; the limit is the campaign's.
    """

    name: str
    words: Words
    judge: Callable[[bytes], list[str]]
    pace: Pace = field(default_factory=Pace)

    def defects(self, answer: bytes) -> list[str]:
        """Return what the judge says; an answer that cannot be read is a defect too."""
        try:
            return self.judge(answer)
        except ValueError as error:
            return [str(error)]


def programs(arch: ArchConfig, scenarios: int) -> Iterator[Program]:
    """Yield what the regression sends, what kills most mutants first.

    Jobs of random ``scenarios`` and at every edge, dense and directed ones, resets in mid-run, damaged
    streams of every kind, and wrong bits of headers. Damaged streams that fill a whole memory are left out:
    simulating them takes most of the time of all.
    """
    yield _scenario(arch, 0, 600)
    yield _scenario(arch, 1, 600, stalls=(0.3, 0.3))
    yield _jobs("odd layers", standard_jobs(arch), arch)
    for seed in range(2, 2 + scenarios):
        yield _scenario(arch, seed, 1500, stalls=(0.05, 0.6) if seed % 3 == 0 else (0.0, 0.0))
    yield _jobs("dense layers", _dense_jobs(arch), arch)
    yield _jobs("directed layers", directed_jobs(arch), arch)
    yield _scenario(arch, 2 + scenarios, 600, stalls=(0.9, 0.9))
    yield _scenario(arch, 3 + scenarios, 600, lazy=True)
    yield _jobs("a long packet for the host", _long_note(arch), arch)
    yield from _resets(arch)
    size = arch.stream_width // 8
    drawn = draw_aftermaths(arch, random_cases=60)
    yield _damage("records cut short", [case for case in drawn if case.damage.meant is not None], arch)
    cases = [case for case in drawn if len(case.damage.stream) <= _LONGEST * size]
    wrong = wrong_bits(arch)
    for start in range(_PROGRAMS):
        yield _damage(f"damaged streams {start}", cases[start::_PROGRAMS], arch)
        yield _damage(f"wrong bits of headers {start}", wrong[start::_PROGRAMS], arch)


def _long_note(arch: ArchConfig) -> list[Job]:
    """A job behind a packet longer than any memory, which the core passes over."""
    job = small_job(arch, 0, Direction.VERTICAL, (arch.segment, 7), 0.5)
    pieces = np.arange(_NOTE_WORDS * arch.stream_width // 32, dtype="<u4")
    return [with_note(job, pieces.tobytes(), arch, "a long note")]


def _dense_jobs(arch: ArchConfig) -> list[Job]:
    """Layers without a zero: every counter of work counts as much as it can."""
    rng = np.random.default_rng(5)
    limits = signed_range(arch.weight_width)
    cases = []
    for direction in Direction:
        layer = full_layer(rng, (6 * arch.segment, 4 * arch.segment), direction, *limits)
        activations = np.full((layer.cols, 4 * arch.tokens), signed_range(arch.activation_width)[1] // 2)
        cases.append((f"dense, {direction.name.lower()}", layer, activations))
    return make_jobs(cases, arch)


def _resets(arch: ArchConfig) -> Iterator[Program]:
    """Jobs behind a reset of one cycle that meets loading, computing, an error, draining or nothing."""
    for seed in range(_RESETS):
        trial = reset_trial(arch, seed)
        job, before = trial.job, _words(trial.before, arch)
        words = np.concatenate([before, _words(stream_of(job, arch), arch)])
        at = 1 + (2 * seed + 1) * trial.cycles // (2 * _RESETS)
        yield Program(
            f"reset after {at} cycles",
            words,
            lambda answer, job=job: defects(job, answer, arch),  # type: ignore[misc]
            Pace(expected=answer_words(job, arch), reset_at=at, resume=len(before)),
        )


def _words(data: bytes, arch: ArchConfig) -> Words:
    return words_of(data, arch.stream_width)


def _scenario(
    arch: ArchConfig,
    seed: int,
    outputs: int,
    *,
    stalls: tuple[float, float] = (0.0, 0.0),
    lazy: bool = False,
) -> Program:
    jobs = draw_scenario(arch, seed, outputs).jobs
    return _jobs(f"scenario {seed}", jobs, arch, Pace(*stalls, seed, lazy=lazy))


def _jobs(name: str, jobs: Sequence[Job], arch: ArchConfig, pace: Pace = _EAGER) -> Program:
    def judge(answer: bytes) -> list[str]:
        answers = list(split_answers(answer, arch))
        if len(answers) != len(jobs):
            return [f"{len(jobs)} jobs are answered with {len(answers)} DONE packets"]
        return all_defects(jobs, answers, arch, stalled=pace.stalled)

    data = b"".join(stream_of(job, arch) for job in jobs)
    expected = sum(answer_words(job, arch) for job in jobs)
    title = f"{name}, {pace.pauses}" if pace.stalled else name
    return Program(title, _words(data, arch), judge, replace(pace, expected=expected))


def _damage(name: str, cases: Sequence[Aftermath], arch: ArchConfig) -> Program:
    data = b"".join(case.stream(arch) for case in cases)
    return Program(name, _words(data, arch), lambda answer: aftermath_defects(cases, answer, arch))
