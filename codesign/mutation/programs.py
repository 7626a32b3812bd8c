"""Streams that mutants are sent, and the judge of each answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from codesign.regression.aftermath import Aftermath, aftermath_defects, draw_aftermaths
from codesign.regression.cases import standard_jobs
from codesign.regression.defects import all_defects
from codesign.regression.jobs import Job, answer_words, stream_of
from codesign.regression.runs import split_answers
from codesign.regression.scenario import draw_scenario
from sim.stream_run import Words
from spec.arch import ArchConfig

__all__ = ["Program", "programs"]

_LONGEST: Final = 400
"""Words of a damaged stream."""
_EACH: Final = 12
"""Of so many damaged streams one is in a program, in turn, so that all kinds are in every program."""
_PROGRAMS: Final = 4


@dataclass(frozen=True, eq=False)
class Program:
    """One stream, how it is fed, and what its answer must be.

    Parameters
    ----------
    name : str
    words : ndarray of uint64, shape (n, stream_width // 64)
    judge : callable
        Takes the bytes of the answer; returns a sentence for everything wrong, as PyTorch, the cycle model
        and the rules for damaged streams have it.
    expected : int
        Words of the answer to wait for.
    stall_i, stall_o : float
    seed : int
        Of the stalls.
    """

    name: str
    words: Words
    judge: Callable[[bytes], list[str]]
    expected: int = 0
    stall_i: float = 0.0
    stall_o: float = 0.0
    seed: int = 0

    def defects(self, answer: bytes) -> list[str]:
        """Return what the judge says; an answer that cannot be read is a defect too."""
        try:
            return self.judge(answer)
        except ValueError as error:
            return [str(error)]


def programs(arch: ArchConfig, scenarios: int) -> Iterator[Program]:
    """Yield the regression's jobs, random ``scenarios``, and damaged streams of every kind, short ones first.

    Damaged streams that fill a whole memory are left out: simulating them takes most of the time of all.
    """
    yield _scenario(arch, 0, 600)
    yield _scenario(arch, 1, 600, stalls=(0.3, 0.3))
    yield _jobs("odd layers", standard_jobs(arch), arch)
    for seed in range(2, 2 + scenarios):
        yield _scenario(arch, seed, 1500, stalls=(0.05, 0.6) if seed % 3 == 0 else (0.0, 0.0))
    size = arch.stream_width // 8
    cases = [
        case for case in draw_aftermaths(arch, random_cases=60) if len(case.damage.stream) <= _LONGEST * size
    ]
    for start in range(_PROGRAMS):
        yield _damage(cases[start::_EACH], start, arch)


def _words(data: bytes, arch: ArchConfig) -> Words:
    words = np.frombuffer(data, "<u8").astype(np.uint64, copy=False)
    return words.reshape(-1, arch.stream_width // 64)


def _scenario(arch: ArchConfig, seed: int, outputs: int, stalls: tuple[float, float] = (0.0, 0.0)) -> Program:
    jobs = draw_scenario(arch, seed, outputs).jobs
    return _jobs(f"scenario {seed}", jobs, arch, stalls, seed)


def _jobs(
    name: str, jobs: Sequence[Job], arch: ArchConfig, stalls: tuple[float, float] = (0.0, 0.0), seed: int = 0
) -> Program:
    def judge(answer: bytes) -> list[str]:
        answers = list(split_answers(answer, arch))
        if len(answers) != len(jobs):
            return [f"{len(jobs)} jobs are answered with {len(answers)} DONE packets"]
        return all_defects(jobs, answers, arch, stalled=any(stalls))

    data = b"".join(stream_of(job, arch) for job in jobs)
    expected = sum(answer_words(job, arch) for job in jobs)
    title = f"{name}, stalls {stalls[0]:g} and {stalls[1]:g}" if any(stalls) else name
    return Program(title, _words(data, arch), judge, expected, *stalls, seed)


def _damage(cases: Sequence[Aftermath], start: int, arch: ArchConfig) -> Program:
    data = b"".join(case.stream(arch) for case in cases)
    return Program(
        f"damaged streams {start}", _words(data, arch), lambda answer: aftermath_defects(cases, answer, arch)
    )
