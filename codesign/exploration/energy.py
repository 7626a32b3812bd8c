"""Energy of a job: exact counts of what happens, times what one of each costs in a published table.

An estimate for a chip, good for comparing designs: it has neither clock tree, control nor leakage, and an
FPGA takes several times as much.
"""

from dataclasses import dataclass

from codesign.exploration.activity import Activity
from codesign.exploration.technology import WORD_BITS, Technology
from spec.arch import ArchConfig

__all__ = ["Energy", "estimate_energy"]


@dataclass(frozen=True)
class Energy:
    """Microjoules of a job.

    Parameters
    ----------
    arithmetic, memories, stream : float
        Multipliers and adders; on-chip memories; external memory at the other end of the stream.
    """

    arithmetic: float
    memories: float
    stream: float

    @property
    def on_chip(self) -> float:
        """Without external memory."""
        return self.arithmetic + self.memories

    @property
    def total(self) -> float:
        """All of it."""
        return self.on_chip + self.stream


def estimate_energy(activity: Activity, arch: ArchConfig, technology: Technology) -> Energy:
    """Return the energy of ``activity`` on ``arch``."""
    widths = arch.weight_width * arch.activation_width / 64
    banks = {
        "value_bits": 2 * arch.value_depth * arch.lanes * arch.weight_width / 8,
        "record_bits": 2 * arch.record_depth * arch.stream_width / 8,
        "activation_bits": 2 * arch.activation_depth * arch.lanes * arch.activation_width / 8,
        "psum_bits": 2 * arch.groups * arch.psum_width / 8,
    }
    pico = 1e-6
    return Energy(
        arithmetic=pico
        * (
            activity.multiplications * technology.multiply * widths
            + activity.additions * technology.add * arch.psum_width / 32
        ),
        memories=pico
        * sum(getattr(activity, name) * technology.access(size) for name, size in banks.items()),
        stream=pico * activity.stream_bits * technology.dram / WORD_BITS,
    )
