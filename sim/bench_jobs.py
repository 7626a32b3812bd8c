"""Jobs for testbenches that drive a wrapper word by word: written by pytest, read in the simulation."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.packet import Packet, read_answers
from sw.job import job_stream, read_outputs
from sw.unpack import PackedLayer, unpack

__all__ = ["JOBS_VARIABLE", "BenchJob", "read_jobs", "write_jobs"]

JOBS_VARIABLE = "MIXVEC_BENCH_JOBS"
_FILE, _ARRAYS = "jobs.mxv", "jobs.npz"


@dataclass(frozen=True, eq=False)
class BenchJob:
    """A packed layer, its activations, and what the outputs must be.

    Parameters
    ----------
    packed : PackedLayer
    activations : ndarray, shape (K, N)
    product : ndarray, shape (M, N)
        By whoever wrote the job, not by the code under test.
    arch : ArchConfig
    """

    packed: PackedLayer
    activations: NDArray[np.int64]
    product: NDArray[np.int64]
    arch: ArchConfig

    @property
    def word_bytes(self) -> int:
        """Bytes of a stream word."""
        return self.arch.stream_width // 8

    def stream(self) -> bytes:
        """Return the words that run the job."""
        return job_stream(self.packed, self.activations, self.arch)

    def packets(self, answer: bytes) -> list[Packet]:
        """Return the packets of an answer; refuses one that does not end with a packet."""
        return list(read_answers(answer, self.word_bytes))

    def check(self, answer: bytes) -> None:
        """Compare every output.

        Raises
        ------
        AssertionError
            If there is an ERROR or an output differs.
        """
        result = read_outputs(answer, self.packed, self.activations.shape[1], self.arch)
        assert result.errors == (), result.errors
        differing = int(np.count_nonzero(result.outputs != self.product))
        assert differing == 0, f"{differing} of {self.product.size} outputs differ"


def write_jobs(
    folder: Path, data: bytes, activations: Sequence[NDArray[np.int64]], products: Sequence[NDArray[np.int64]]
) -> dict[str, str]:
    """Write a packed file with its activations and products; return the environment that names them."""
    (folder / _FILE).write_bytes(data)
    arrays = {f"x{n}": array for n, array in enumerate(activations)}
    arrays |= {f"y{n}": array for n, array in enumerate(products)}
    np.savez(folder / _ARRAYS, allow_pickle=False, **arrays)
    return {JOBS_VARIABLE: str(folder)}


def read_jobs() -> list[BenchJob]:
    """Return the jobs that the environment names."""
    folder = Path(os.environ[JOBS_VARIABLE])
    file = unpack((folder / _FILE).read_bytes())
    with np.load(folder / _ARRAYS) as arrays:
        return [
            BenchJob(layer, arrays[f"x{n}"], arrays[f"y{n}"], file.arch)
            for n, layer in enumerate(file.layers)
        ]
