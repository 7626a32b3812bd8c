"""The generated Verilog, in one simulator that stays."""

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import CycleCount
from codesign.verification import expected_words
from codesign.verilog import accelerator_verilog
from codesign.whole.answer import read_answer
from codesign.whole.backend import Record
from sim.errors import SimulatorError
from sim.resident import ResidentSimulator
from spec.arch import ArchConfig
from sw.job import job_stream
from sw.unpack import PackedLayer

__all__ = ["RtlBackend"]


class RtlBackend:
    """Sends every job to a resident simulator of ``arch`` and records the RTL's own counters.

    Parameters
    ----------
    arch : ArchConfig
    record : Record

    Raises
    ------
    SimulatorError
        If the simulator is missing or cannot be built.
    """

    def __init__(self, arch: ArchConfig, record: Record) -> None:
        self.arch = arch
        self.record = record
        self.simulator = ResidentSimulator(accelerator_verilog(arch), arch.stream_width)

    def multiply(self, layer: PackedLayer, activations: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`codesign.whole.backend.Backend`."""
        tokens = activations.shape[1]
        result = self.simulator.run(
            job_stream(layer, activations, self.arch), expected=expected_words(layer, tokens, self.arch)
        )
        if result.timed_out and not len(result.words):
            self.close()
            raise SimulatorError(
                f"layer {layer.name}: the RTL stopped answering after {result.simulated_cycles} cycles, "
                f"having taken {result.accepted} words"
            )
        outputs, counters = read_answer(result.answer, layer, tokens, self.arch)
        if not counters:
            self.close()
            raise SimulatorError(f"layer {layer.name}: the RTL ended without its counters")
        self.record(layer, tokens, CycleCount(**counters))
        return outputs

    def close(self) -> None:
        """End the simulator."""
        self.simulator.close()
