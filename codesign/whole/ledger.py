"""What the layers of an attached model have done so far, and what it cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from codesign.cycles import CycleCount
from spec.arch import ArchConfig
from sw.unpack import PackedLayer

__all__ = ["Ledger"]


@dataclass
class _Entry:
    """One layer: calls, their columns, and counters summed; None where the backend has none."""

    layer: PackedLayer
    calls: int = 0
    tokens: int = 0
    compute_cycles: int = 0
    load_cycles: int = 0
    cycles: int = 0
    counted: bool = False

    def figures(self, arch: ArchConfig, clock_hz: float | None) -> dict[str, Any]:
        products = self.layer.kept * self.tokens
        return {
            "name": self.layer.name,
            "rows": self.layer.rows,
            "cols": self.layer.cols,
            "kept": self.layer.kept,
            "bits": self.layer.bits,
            "calls": self.calls,
            "tokens": self.tokens,
            **_costs(self, products, arch, clock_hz),
        }


class Ledger:
    """Counts by layer, in the order of the model.

    Parameters
    ----------
    arch : ArchConfig
    layers : iterable of PackedLayer
    """

    def __init__(self, arch: ArchConfig, layers: Iterable[PackedLayer]) -> None:
        self.arch = arch
        self._entries = {layer.name: _Entry(layer) for layer in layers}

    def called(self, layer: PackedLayer, tokens: int) -> None:
        """Note a multiplication of ``tokens`` columns."""
        entry = self._entries[layer.name]
        entry.calls += 1
        entry.tokens += tokens

    def counted(self, layer: PackedLayer, tokens: int, counters: CycleCount) -> None:
        """Note what a multiplication cost."""
        entry = self._entries[layer.name]
        entry.counted = True
        entry.compute_cycles += counters.compute_cycles
        entry.load_cycles += counters.load_cycles
        entry.cycles += counters.cycles

    def reset(self) -> None:
        """Forget everything."""
        self._entries = {name: _Entry(entry.layer) for name, entry in self._entries.items()}

    @property
    def cycles(self) -> int:
        """Of all multiplications so far."""
        return sum(entry.cycles for entry in self._entries.values())

    def report(self, clock_hz: float | None = None) -> dict[str, Any]:
        """Return the figures of every layer and of all together.

        ``cycles`` and what follows from them are None without a backend that counts; ``bound`` says which
        takes more cycles, moving words in or computing; ``milliseconds`` are None without a clock.
        """
        entries = list(self._entries.values())
        products = sum(entry.layer.kept * entry.tokens for entry in entries)
        total = _Entry(
            entries[0].layer,
            calls=sum(entry.calls for entry in entries),
            compute_cycles=sum(entry.compute_cycles for entry in entries),
            load_cycles=sum(entry.load_cycles for entry in entries),
            cycles=self.cycles,
            counted=any(entry.counted for entry in entries),
        )
        return {
            "arch": self.arch.model_dump(),
            "pes": self.arch.pes,
            "clock_hz": clock_hz,
            "layers": [entry.figures(self.arch, clock_hz) for entry in entries],
            "total": {
                "kept": sum(entry.layer.kept for entry in entries),
                "bits": sum(entry.layer.bits for entry in entries),
                "calls": total.calls,
                **_costs(total, products, self.arch, clock_hz),
            },
        }


def _costs(entry: _Entry, products: int, arch: ArchConfig, clock_hz: float | None) -> dict[str, Any]:
    """Cycles, and the ratios and the time that follow from them."""
    known = entry.counted and entry.cycles > 0
    return {
        "compute_cycles": entry.compute_cycles if known else None,
        "load_cycles": entry.load_cycles if known else None,
        "cycles": entry.cycles if known else None,
        "utilization": products / (arch.pes * entry.compute_cycles) if known else None,
        "end_to_end_utilization": products / (arch.pes * entry.cycles) if known else None,
        "bound": ("load" if entry.load_cycles > entry.compute_cycles else "compute") if known else None,
        "milliseconds": 1000 * entry.cycles / clock_hz if known and clock_hz else None,
    }
