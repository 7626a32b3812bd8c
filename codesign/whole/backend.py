"""What multiplies in place of a model's layers."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import CycleCount
from spec.arch import ArchConfig
from sw.unpack import PackedLayer

__all__ = ["Backend", "BackendKind", "Record", "open_backend"]

Record: TypeAlias = Callable[[PackedLayer, int, CycleCount], None]
"""Takes note of a multiplication: layer, columns N, the accelerator's counters."""


class BackendKind(StrEnum):
    """What multiplies; the value is its name on the command line."""

    REFERENCE = "reference"
    """The packed words, executed in NumPy; no cycles."""
    ESTIMATE = "estimate"
    """Integer matmul, and the exact cycle model."""
    RTL = "rtl"
    """The generated Verilog in a resident simulator."""


class Backend(Protocol):
    """Multiplies by packed layers of one architecture."""

    def multiply(self, layer: PackedLayer, activations: NDArray[np.int8]) -> NDArray[np.int32]:
        """Return ``layer`` times ``activations``, M x N from K x N, both in original order.

        Raises
        ------
        ConfigError
            If the activations do not fit.
        FormatError
            If the accelerator refuses the layer or answers with damage.
        SimulatorError
            If a simulator breaks down.
        """
        ...

    def close(self) -> None:
        """Let go of processes and ports; once is enough."""
        ...


def open_backend(kind: BackendKind, arch: ArchConfig, record: Record) -> Backend:
    """Return a backend that tells ``record`` the cycles of every multiplication, if it knows them.

    Raises
    ------
    SimulatorError
        If a simulator is missing or cannot be built.
    """
    # Each with its own imports: the reference needs neither Amaranth nor a compiler.
    match kind:
        case BackendKind.REFERENCE:
            from codesign.whole.reference_backend import ReferenceBackend

            return ReferenceBackend(arch)
        case BackendKind.ESTIMATE:
            from codesign.whole.estimate_backend import EstimateBackend

            return EstimateBackend(arch, record)
        case BackendKind.RTL:
            from codesign.whole.rtl_backend import RtlBackend

            return RtlBackend(arch, record)
