"""The answer of an accelerator to one multiplication of a whole model."""

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import FormatError
from sw.job import read_outputs
from sw.unpack import PackedLayer

__all__ = ["read_answer"]


def read_answer(
    answer: bytes, layer: PackedLayer, tokens: int, arch: ArchConfig
) -> tuple[NDArray[np.int32], dict[str, int]]:
    """Return psums, M x N, and the counters that came with them.

    Raises
    ------
    FormatError
        If the answer is damaged or an error; names the layer.
    """
    try:
        result = read_outputs(answer, layer, tokens, arch)
    except FormatError as error:
        raise FormatError(f"layer {layer.name}: the accelerator's answer is damaged: {error}") from None
    if result.errors:
        raise FormatError(f"layer {layer.name}: {result.errors[0]}")
    return result.outputs.astype(np.int32, copy=False), result.counters
