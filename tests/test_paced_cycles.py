"""The cycle model where words come and go when they like: every counter equals the RTL's."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np
import pytest

from codesign.cycles import WordTimes, layer_cycles
from codesign.regression.architectures import ARCHS
from codesign.regression.cases import standard_jobs
from codesign.regression.jobs import Job, answer_words, make_jobs, stream_of
from codesign.regression.output_cases import OUTPUT_ARCHS, output_cases
from codesign.verilog import accelerator_verilog
from sim.resident import Moments, ResidentSimulator
from spec.arch import ArchConfig
from sw.job import read_outputs
from tests.slices import often

SUBJECTS = {**ARCHS, **{f"outputs_{name}": arch for name, arch in OUTPUT_ARCHS.items()}}
OFTEN = ("tiny", "cramped", "narrow_words", "outputs_wide")
# Cycles that the host and the receiver pause at most: both slow, one of them, either by far.
PAUSES = ((5, 5), (0, 40), (40, 0), (300, 2), (2, 300))


def jobs_of(name: str, arch: ArchConfig) -> list[Job]:
    if name.startswith("outputs"):
        return make_jobs(output_cases(arch, 3), arch)
    return standard_jobs(arch)


def moments(rng: np.random.Generator, pause: int, count: int) -> np.ndarray:
    """First cycles in which words may move: some of them up to ``pause`` cycles behind the one before."""
    gaps = (rng.random(count) < 0.3) * rng.integers(0, pause + 1, count)
    return np.cumsum(gaps).astype(np.uint64)


def evenly(job: Job, arch: ArchConfig, cycles: int) -> Moments:
    """A word every so many cycles, and a receiver that never pauses."""
    words = len(stream_of(job, arch)) * 8 // arch.stream_width
    return Moments(np.arange(words, dtype=np.uint64) * cycles, np.zeros(answer_words(job, arch), np.uint64))


def paced(
    simulator: ResidentSimulator, job: Job, arch: ArchConfig, pace: Moments
) -> tuple[dict[str, int], WordTimes]:
    """Return the RTL's counters of a job, and when its words moved."""
    stream, expected = stream_of(job, arch), answer_words(job, arch)
    result, seen = simulator.trace(stream, expected=expected, pace=pace)
    assert not result.timed_out
    times = WordTimes(pace.taken.astype(np.int64), seen.given.astype(np.int64))
    return read_outputs(result.answer, job.packed, job.tokens, arch).counters, times


@pytest.fixture(scope="module")
def tiny() -> Iterator[ResidentSimulator]:
    arch = ARCHS["tiny"]
    with ResidentSimulator(accelerator_verilog(arch), arch.stream_width) as simulator:
        yield simulator


@pytest.mark.parametrize("name", often(SUBJECTS, OFTEN))
def test_every_counter_is_exact_however_words_move(name: str) -> None:
    arch, rng = SUBJECTS[name], np.random.default_rng(7)
    causes = dict.fromkeys(("starved_cycles", "draining_cycles"), 0)
    with ResidentSimulator(accelerator_verilog(arch), arch.stream_width) as simulator:
        for number, job in enumerate(jobs_of(name, arch)):
            slow_host, slow_receiver = PAUSES[number % len(PAUSES)]
            words = len(stream_of(job, arch)) * 8 // arch.stream_width
            pace = Moments(
                moments(rng, slow_host, words), moments(rng, slow_receiver, answer_words(job, arch))
            )

            counters, times = paced(simulator, job, arch, pace)

            model = layer_cycles(job.packed, arch, job.tokens, job.activations, times)
            assert counters == asdict(model), job.name
            for cause in causes:
                causes[cause] += counters[cause]
    assert all(causes.values()), causes


def test_times_that_say_nothing_new_change_nothing(tiny: ResidentSimulator) -> None:
    arch = ARCHS["tiny"]
    job = standard_jobs(arch)[5]

    _, times = paced(tiny, job, arch, evenly(job, arch, 0))

    free = layer_cycles(job.packed, arch, job.tokens, job.activations)
    assert layer_cycles(job.packed, arch, job.tokens, job.activations, times) == free


def test_a_word_that_is_taken_before_it_can_be_there_is_refused(tiny: ResidentSimulator) -> None:
    arch = ARCHS["tiny"]
    job = standard_jobs(arch)[5]
    _, times = paced(tiny, job, arch, evenly(job, arch, 0))
    early = WordTimes(times.offered, times.taken - 1)

    with pytest.raises(ValueError, match="word 0 of the answer is taken before it can be there"):
        layer_cycles(job.packed, arch, job.tokens, job.activations, early)


def test_a_pace_of_another_length_is_refused(tiny: ResidentSimulator) -> None:
    with pytest.raises(ValueError, match="pace must have 2 and 5 cycles, not 1 and 5"):
        tiny.trace(bytes(16), expected=5, pace=Moments(np.zeros(1, np.uint64), np.zeros(5, np.uint64)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda times: WordTimes(times.offered[1:], times.taken), "words, but the times are those of"),
        (lambda times: WordTimes(times.offered[::-1], times.taken), "one after the other"),
        (lambda times: WordTimes(times.offered, np.repeat(times.taken, 2)), "in cycles of their own"),
    ],
)
def test_impossible_times_are_refused(
    change: Callable[[WordTimes], WordTimes], message: str, tiny: ResidentSimulator
) -> None:
    arch = ARCHS["tiny"]
    job = standard_jobs(arch)[5]
    _, times = paced(tiny, job, arch, evenly(job, arch, 2))

    with pytest.raises(ValueError, match=message):
        layer_cycles(job.packed, arch, job.tokens, job.activations, change(times))


def test_the_origin_of_times_is_of_no_account(tiny: ResidentSimulator) -> None:
    arch = ARCHS["tiny"]
    job = standard_jobs(arch)[5]
    counters, times = paced(tiny, job, arch, evenly(job, arch, 2))

    late = WordTimes(times.offered + 1_000_000, times.taken + 1_000_000)

    assert asdict(layer_cycles(job.packed, arch, job.tokens, job.activations, late)) == counters
