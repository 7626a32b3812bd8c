"""Malformed streams for the RTL, a good job behind every few: it must not hang, and must stay exact."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from codesign.fuzz.malformer import Malformer
from codesign.regression.aftermath import BAD_TAG, Aftermath, aftermath_defects, good_jobs
from codesign.regression.damage import ANY, Damage
from codesign.regression.jobs import Job, stream_of, tagged
from codesign.regression.runs import send
from sim.simulator import SimulatorError
from spec.arch import ArchConfig

__all__ = ["BATCH", "RtlFuzzer"]

BATCH: Final = 500
"""Malformed streams of one run of the simulator."""
_MOST_TOGETHER: Final = 8
"""Malformed streams between two good jobs."""
_STALLS: Final = ((0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.6, 0.6))


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Malformed streams ``first`` to ``last``, then a good job."""

    case: Aftermath
    first: int
    last: int


class RtlFuzzer:
    """Malformed streams for one architecture, which is compiled once.

    Parameters
    ----------
    arch : ArchConfig
    seed : int
    """

    def __init__(self, arch: ArchConfig, seed: int) -> None:
        self.arch = arch
        self.seed = seed
        self.goods = good_jobs(arch)
        victims = [stream_of(tagged(job, BAD_TAG, arch), arch) for job in self.goods]
        # Answers with another tag than BAD_TAG are those of good jobs.
        self.malformer = Malformer(victims, arch.stream_width // 8, seed, tag=BAD_TAG)

    def batch_defects(self, batch: int, size: int = BATCH) -> list[str]:
        """Return a sentence for everything wrong in batch number ``batch`` of ``size`` malformed streams."""
        arch = self.arch
        rng = np.random.default_rng([self.seed, batch, size])
        stretches = self._stretches(rng, batch * size, size)
        streams = [one.case.stream(arch) for one in stretches]
        data = b"".join(streams)
        stall_i, stall_o = _STALLS[batch % len(_STALLS)]
        stalled = bool(stall_i or stall_o)
        limit = 200_000 + 4 * len(data)
        try:
            result = send(data, arch, stall_i=stall_i, stall_o=stall_o, seed=batch, limit=limit)
        except SimulatorError as error:
            return [str(error)]
        if result.timed_out:
            ends = np.cumsum([len(stream) for stream in streams]) // (arch.stream_width // 8)
            culprit = stretches[min(int(np.searchsorted(ends, result.accepted, side="right")), len(ends) - 1)]
            return [f"hangs in malformed streams {culprit.first} to {culprit.last} or the job behind them"]
        cases = [one.case for one in stretches]
        try:
            return aftermath_defects(cases, result.answer, arch, stalled=stalled)
        except ValueError as error:
            return [f"the answer does not consist of packets: {error}"]

    def _stretches(self, rng: np.random.Generator, first: int, size: int) -> list[_Stretch]:
        found: list[_Stretch] = []
        at, end = first, first + size
        while at < end:
            count = min(int(rng.integers(1, _MOST_TOGETHER + 1)), end - at)
            stream = b"".join(self._whole_words(self.malformer.stream(at + n)) for n in range(count))
            damage = Damage(f"malformed streams {at} to {at + count - 1}", stream, ANY, silent=True)
            found.append(_Stretch(Aftermath(damage, self._good(len(found))), at, at + count - 1))
            at += count
        return found

    def _good(self, number: int) -> Job:
        return tagged(self.goods[number % len(self.goods)], 1 + number % 255, self.arch)

    def _whole_words(self, stream: bytes) -> bytes:
        size = self.arch.stream_width // 8
        return stream[: len(stream) // size * size]
