"""Short names of designs, resources and limits, for tables and plots."""

from collections.abc import Sequence
from typing import Final

from codesign.exploration.outcome import Outcome
from spec.arch import ArchConfig

__all__ = [
    "RESOURCE_NAMES",
    "arch_file",
    "cause_name",
    "design_name",
    "limit_name",
    "quality_text",
    "quality_title",
]

RESOURCE_NAMES: Final = {"luts": "LUT4", "ffs": "registers", "dsps": "DSPs", "brams": "block RAMs"}
_BUSY: Final = 0.9
"""Share of the cycles from which on what is busy is what limits."""
_CAUSES: Final = {
    "beats": "multiplying",
    "steal_cycles": "drain takes the psums",
    "drain_wait_cycles": "wait for drain",
    "output_wait_cycles": "wait for output",
    "skip_wait_cycles": "wait behind skipped zeros",
    "vector_wait_cycles": "wait for vectors",
    "imbalance_cycles": "imbalance of clusters",
    "loading_cycles": "loading",
    "draining_cycles": "outputs leaving",
    "starved_cycles": "input stalls",
}


def arch_file(arch: ArchConfig) -> str:
    """Name of the file of an architecture: its shape, and its fingerprint for all other parameters."""
    return f"C{arch.clusters}-L{arch.lanes}-T{arch.tokens}-{arch.fingerprint:04x}.json"


def cause_name(counter: str) -> str:
    """What a counter of ``spec.counters`` says of a design."""
    return _CAUSES[counter]


def design_name(outcome: Outcome) -> str:
    """Shape, and how far the model is pruned."""
    arch, pruning = outcome.arch, outcome.design.pruning
    name = f"C{arch.clusters} L{arch.lanes} T{arch.tokens}"
    if arch.weight_width != 8:
        name += f" {arch.weight_width}-bit"
    return name if pruning is None else f"{name}, {100 * pruning.sparsity:g} %"


def limit_name(outcome: Outcome) -> str:
    """Multiplying or the stream, if either is busy nearly always; else what most other cycles go to.

    Where that was not found out, it is waiting.
    """
    if outcome.multiplying >= _BUSY:
        return "multiplying"
    if outcome.streaming >= _BUSY:
        return "the input stream"
    lost = {name: share for name, share in outcome.shares.items() if name != "beats"}
    if not lost:
        return "waiting"
    return cause_name(max(lost, key=lambda name: lost[name]))


def quality_title(outcomes: Sequence[Outcome]) -> str:
    """What is known of what pruning costs these designs: a measure's name, or magnitude lost."""
    measured = next((one.quality for one in outcomes if one.quality is not None), None)
    return "magnitude lost" if measured is None else measured.name


def quality_text(outcome: Outcome) -> str:
    """The figure that ``quality_title`` names."""
    if outcome.quality is not None:
        return f"{outcome.quality.value:.4g}"
    return "-" if outcome.masks is None else f"{100 * outcome.masks.lost:.1f} %"
