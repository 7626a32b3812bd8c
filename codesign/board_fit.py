"""Whether an architecture fits a board, before hours of tools say so."""

from collections.abc import Mapping
from typing import Final

from boards.catalog import BOARDS, BoardFacts
from boards.devices import DEVICES
from boards.flow import flow_of
from codesign.exploration.cost_model import shipped_cost_model
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["no_fit_sentence", "shortage"]

_NAMES: Final = {
    "ICESTORM_LC": "logic cells",
    "ICESTORM_RAM": "block RAMs",
    "ICESTORM_DSP": "multipliers",
    "TRELLIS_COMB": "LUT4",
    "TRELLIS_FF": "registers",
    "DP16KD": "block RAMs",
    "MULT18X18D": "multipliers",
    "LUT4": "LUT4",
    "LUT_PLACE": "places of LUTs",
    "DFF": "registers",
    "BSRAM": "block RAMs",
    "MULT9X9": "multipliers",
    "LUT": "LUTs",
    "FF": "registers",
    "DSP48E1": "multipliers",
    "RAMB36E1": "block RAMs",
}
"""Cells of nextpnr and of Vivado, and places, in words."""


def shortage(facts: BoardFacts, arch: ArchConfig) -> dict[str, tuple[int, int]]:
    """Return what ``arch`` takes and the board has, by cell, where it takes too much for sure.

    Multipliers and block RAMs, which are counted from the architecture, the link's left out; an accelerator
    runs out of these before it runs out of LUTs and registers. Empty also where the device is not known.
    """
    device = DEVICES.get(facts.device)
    if device is None:
        return {}
    cost = shipped_cost_model()[0].cost(arch)
    return _too_many({"MULT18X18D": (cost.dsps, device.dsps), "DP16KD": (cost.brams, device.brams)})


def no_fit_sentence(
    facts: BoardFacts, arch: ArchConfig, used: Mapping[str, tuple[int, int]], *, least: bool = False
) -> str:
    """Return one sentence: what there is too little of, by how much, and what would do.

    Parameters
    ----------
    facts : BoardFacts
    arch : ArchConfig
    used : mapping of str to (int, int)
        Used and available, by cell.
    least : bool
        It may be more.
    """
    lacking = [
        f"{taken:,} {_NAMES.get(cell, cell)} where there are {limit:,}, {taken - limit:,} too many"
        for cell, (taken, limit) in _too_many(used).items()
    ]
    if arch != ArchConfig.load(facts.arch):
        way = f"the board's own architecture, preset {facts.arch}, fits"
        smaller = _smaller(facts, arch)
        if smaller is not None:
            way += f", and {smaller.pes} PEs may: `clusters` {smaller.clusters}, `tokens` {smaller.tokens}"
    else:
        others = [name for name, one in BOARDS.items() if one.arch != facts.arch and flow_of(one) is not None]
        way = f"take another board, {' or '.join(others)}"
    takes = "they take at least" if least else "they take"
    return f"{arch.pes} PEs do not fit {facts.name}: {takes} {' and '.join(lacking)}; {way}"


def _too_many(used: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {cell: pair for cell, pair in used.items() if pair[0] > pair[1]}


def _smaller(facts: BoardFacts, arch: ArchConfig) -> ArchConfig | None:
    """The most PEs of the same kind of which nothing says that they do not fit; None if there are none."""
    if not shortage(facts, arch):
        return None
    sizes = [
        (clusters, tokens) for clusters in range(1, arch.clusters + 1) for tokens in range(1, arch.tokens + 1)
    ]
    for clusters, tokens in sorted(sizes, key=lambda size: (size[0] * size[1], size[1]), reverse=True):
        try:
            found = ArchConfig(**{**arch.model_dump(), "clusters": clusters, "tokens": tokens})
        except ConfigError:
            continue
        if not shortage(facts, found):
            return found
    return None
