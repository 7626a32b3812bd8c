"""PyTorch's integers, and what the cycle model says of them."""

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import layer_cycles
from codesign.verification import integer_product
from codesign.whole.backend import Record
from spec.arch import ArchConfig
from sw.unpack import PackedLayer

__all__ = ["EstimateBackend"]


class EstimateBackend:
    """Multiplies in PyTorch and counts the cycles that the RTL would take for these activations.

    Parameters
    ----------
    arch : ArchConfig
    record : Record
    """

    def __init__(self, arch: ArchConfig, record: Record) -> None:
        self.arch = arch
        self.record = record

    def multiply(self, layer: PackedLayer, activations: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`codesign.whole.backend.Backend`."""
        tokens = activations.shape[1]
        self.record(layer, tokens, layer_cycles(layer, self.arch, tokens, activations))
        # No layer is packed whose outputs exceed 32 bits.
        return integer_product(layer.weights, activations).astype(np.int32)

    def close(self) -> None:
        """Nothing is held."""
