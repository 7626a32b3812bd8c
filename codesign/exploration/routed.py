"""Designs that the project has placed and routed itself, as data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from codesign.files import output_file
from spec.arch import ArchConfig

__all__ = ["RoutedDesign", "load_routed", "save_routed"]

_FILE: Final = Path(__file__).parent / "routed_ecp5.json"


@dataclass(frozen=True)
class RoutedDesign:
    """An architecture behind its eight-bit link, placed and routed on an ECP5-85F of speed grade 6.

    Parameters
    ----------
    arch : ArchConfig
    seed : int
        Of the placer.
    fmax_mhz : float
    luts, ffs, dsps, brams : int
        As in ``boards.place_route.Routing``.
    tools : str
        Versions of yosys and nextpnr.
    """

    arch: ArchConfig
    seed: int
    fmax_mhz: float
    luts: int
    ffs: int
    dsps: int
    brams: int
    tools: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record, its architecture as an object."""
        return {**asdict(self), "arch": self.arch.model_dump()}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "RoutedDesign":
        """Return what :meth:`to_dict` made a record of."""
        return cls(**{**record, "arch": ArchConfig(**record["arch"])})


def load_routed() -> list[RoutedDesign]:
    """Return the routed designs that ship with the package; `benchmarks/route_sweep.py` makes them."""
    if not _FILE.exists():
        return []
    return [RoutedDesign.of(record) for record in json.loads(_FILE.read_text())]


def save_routed(designs: Sequence[RoutedDesign]) -> None:
    """Replace them, one line each."""
    lines = ",\n".join(json.dumps(design.to_dict()) for design in designs)
    with output_file(_FILE) as part:
        part.write_text(f"[\n{lines}\n]\n")
