"""A reset in the middle of a job: nothing of it is left, and the next job is exact."""

from collections.abc import Sequence
from pathlib import Path

from codesign.cycles import layer_cycles
from codesign.regression.defects import defects
from codesign.regression.jobs import Job, answer_words, stream_of
from codesign.regression.runs import send
from spec.arch import ArchConfig
from spec.packet import SYNC_BYTES

__all__ = ["interruption_defects", "interruption_moments"]


def interruption_moments(job: Job, arch: ArchConfig, count: int) -> list[int]:
    """Return ``count`` cycles spread over those that ``job`` takes, its loading and its tail included."""
    cycles = layer_cycles(job.packed, arch, job.tokens, job.activations).cycles
    return [1 + cycles * (2 * number + 1) // (2 * count) for number in range(count)]


def interruption_defects(
    victim: Job,
    good: Job,
    arch: ArchConfig,
    moments: Sequence[int],
    *,
    coverage: Sequence[Path] = (),
) -> list[str]:
    """Send ``victim`` and ``good``, reset at each of ``moments``; return what is wrong with the last answer.

    Parameters
    ----------
    victim, good : Job
        Of which the first is cut short.
    arch : ArchConfig
    moments : sequence of int
        Cycles from the end of the first reset on; a run for each.
    coverage : sequence of Path, optional
        Files for what Verilator counted, one for each run.
    """
    size = arch.stream_width // 8
    cycles = [layer_cycles(job.packed, arch, job.tokens).cycles for job in (victim, good)]
    # SYNC words say nothing: behind so many of them the good job begins after the reset.
    stream = stream_of(victim, arch) + SYNC_BYTES * (size // 8) * cycles[0] + stream_of(good, arch)
    limit = 20_000 + 10 * sum(cycles)
    wrong = []
    files: Sequence[Path | None] = coverage or [None] * len(moments)
    for moment, file in zip(moments, files, strict=True):
        # What came before the reset may break off anywhere; the good job's answer is the last.
        wanted = answer_words(good, arch)
        result = send(stream, arch, expected=wanted, limit=limit, reset_at=moment, coverage=file)
        place = f"reset behind cycle {moment}"
        if result.timed_out:
            wrong.append(f"{place}: hangs after {result.accepted} words in and {len(result.words)} out")
            continue
        answer = result.words.astype("<u8").tobytes()[-wanted * size :]
        try:
            wrong += [f"{place}: {defect}" for defect in defects(good, answer, arch)]
        except ValueError as error:
            wrong.append(f"{place}: {error}")
    return wrong
