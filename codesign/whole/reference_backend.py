"""The packed words themselves, executed in NumPy."""

import numpy as np
from numpy.typing import NDArray

from codesign.whole.answer import read_answer
from spec.arch import ArchConfig
from sw.job import job_stream
from sw.reference import execute
from sw.unpack import PackedLayer

__all__ = ["ReferenceBackend"]


class ReferenceBackend:
    """Runs every stream through ``sw.reference``, which shares no decoder with ``sw.unpack``.

    Parameters
    ----------
    arch : ArchConfig
    """

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch

    def multiply(self, layer: PackedLayer, activations: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`codesign.whole.backend.Backend`."""
        answer = execute(job_stream(layer, activations, self.arch), self.arch)
        return read_answer(answer, layer, activations.shape[1], self.arch)[0]

    def close(self) -> None:
        """Nothing is held."""
