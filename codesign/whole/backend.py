"""What multiplies in place of a model's layers."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import CycleCount
from codesign.whole.board_port import BoardPort
from spec.arch import ArchConfig
from spec.errors import ConfigError
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
    BOARD = "board"
    """A board, or its twin, on a serial line."""


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
        SimulatorError, LinkError
            If a simulator breaks down, or a board falls silent.
        """
        ...

    def close(self) -> None:
        """Let go of processes and ports; once is enough."""
        ...


def open_backend(
    kind: BackendKind, arch: ArchConfig, record: Record, port: BoardPort | None = None
) -> Backend:
    """Return a backend that tells ``record`` the cycles of every multiplication, if it knows them.

    Raises
    ------
    ConfigError
        If a board has no port, or another backend has one; or as ``BoardBackend``.
    LinkError, FormatError
        If no board answers.
    SimulatorError
        If a simulator is missing or cannot be built.
    """
    if (kind is BackendKind.BOARD) != (port is not None):
        raise ConfigError(
            f"backend {kind} needs the port of a board; give `port`"
            if port is None
            else f"`port` belongs to backend {BackendKind.BOARD}, not to {kind}; drop it"
        )
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
        case BackendKind.BOARD:
            from codesign.whole.board_backend import BoardBackend

            assert port is not None
            return BoardBackend(arch, record, port)
