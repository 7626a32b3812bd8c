"""Parts of an exploration: the space, the front, the store, the cost model."""

import json
import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign.exploration.cost_model import CostModel, held_out_errors, shipped_cost_model
from codesign.exploration.designs import DesignSpace, base_fields
from codesign.exploration.front import pareto_front
from codesign.exploration.routed import RoutedDesign, load_routed
from codesign.exploration.store import Store, content_key
from hw.resources import ecp5_memory_blocks, multipliers
from spec.arch import ArchConfig
from spec.errors import ConfigError


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=40))
def test_the_front_is_what_nothing_dominates(costs: list[tuple[float, ...]]) -> None:
    front = pareto_front(costs)
    wanted = {cost for cost in costs if not any(dominates(other, cost) for other in costs)}
    assert {costs[index] for index in front} == wanted
    assert len(front) == len(wanted)
    assert [costs[index][0] for index in front] == sorted(cost[0] for cost in wanted)


def test_a_space_has_every_combination_once() -> None:
    space = DesignSpace({}, {"clusters": (1, 2), "lanes": (2, 4), "tokens": (3,)}, (0.7, 0.8), (1.0,))
    designs, refusals = space.designs()
    assert refusals == []
    shapes = {(one.arch.clusters, one.arch.lanes, one.arch.tokens, one.pruning) for one in designs}
    assert space.size == len(designs) == len(shapes) == 8
    assert {one.arch.segment for one in designs} == {16, 32}
    assert {one.pruning.sparsity for one in designs if one.pruning} == {0.7, 0.8}


def test_impossible_combinations_are_left_out_with_their_reason() -> None:
    space = DesignSpace({}, {"clusters": (1,), "lanes": (4, 3), "tokens": (4,)})
    (design,), (reason,) = space.designs()
    assert design.arch.lanes == 4 and design.pruning is None
    assert "lanes 3" in reason and "power of two" in reason


@pytest.mark.parametrize(
    ("axes", "sparsities", "budgets", "message"),
    [
        ({"clusters": (1,), "lanes": (3,), "tokens": (1,)}, (), (), "no combination is an architecture"),
        (
            {"clusters": (), "lanes": (4,), "tokens": (1,)},
            (),
            (),
            "`--clusters` must list at least",
        ),
        ({"clusters": (1,), "lanes": (4,), "tokens": (1,)}, (1.5,), (1.0,), "must be from 0 to 1, not 1.5"),
        ({"clusters": (1,), "lanes": (4,), "tokens": (1,)}, (0.8,), (-1.0,), "at least 0, not -1"),
    ],
)
def test_spaces_of_nothing_are_refused(
    axes: dict[str, tuple[int, ...]], sparsities: tuple[float, ...], budgets: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        DesignSpace({}, axes, sparsities, budgets).designs()


def test_base_fields_leave_derived_ones_open(tmp_path: Path) -> None:
    assert "segment" not in base_fields("ulx3s")
    (tmp_path / "arch.json").write_text('{"clusters": 1, "lanes": 2, "tokens": 2, "psum_width": 24}')
    assert base_fields(str(tmp_path / "arch.json"))["psum_width"] == 24
    with pytest.raises(ConfigError, match="neither a readable file nor a preset"):
        base_fields("nothing")


def test_the_store_gives_back_what_was_put(tmp_path: Path) -> None:
    store, key = Store(tmp_path), content_key(a=1, b=[2])
    assert store.get(key) is None
    store.put(key, {"cycles": 3})
    assert Store(tmp_path).get(key) == {"cycles": 3}
    assert content_key(b=[2], a=1) == key != content_key(a=1, b=[3])


@pytest.mark.parametrize("damage", [b"", b"{", b'{"key": "other", "value": {}}', b"\xff\x00", b"[1]"])
def test_a_damaged_entry_counts_as_missing(tmp_path: Path, damage: bytes) -> None:
    store, key = Store(tmp_path), content_key(a=1)
    store.put(key, {"cycles": 3})
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(damage)
    assert store.get(key) is None
    store.put(key, {"cycles": 4})
    assert store.get(key) == {"cycles": 4}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    Store(tmp_path / "inside").put(content_key(a=1), {})


def test_a_file_in_place_of_the_folder_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    store.put(content_key(a=1), {})
    assert store.get(content_key(a=1)) is None


def made_designs() -> list[RoutedDesign]:
    """Designs whose size follows the model's own structure with known prices."""
    designs = []
    for clusters, lanes, tokens in product((1, 2, 4), (2, 4), (1, 4)):
        arch = ArchConfig(clusters=clusters, lanes=lanes, tokens=tokens)
        luts = 1000 + 5 * arch.stream_width + 300 * clusters + 2 * arch.pes * arch.psum_width
        rate = 150 - 4 * float(np.log2(arch.pes))
        brams = ecp5_memory_blocks(arch)
        assert brams is not None
        designs.append(RoutedDesign(arch, 1, rate, luts, 2 * luts, arch.pes, brams, "made up"))
    return designs


def test_the_cost_model_finds_prices_that_are_there() -> None:
    model = CostModel(made_designs())
    arch = ArchConfig(clusters=2, lanes=8, tokens=4)
    cost = model.cost(arch)
    assert cost.luts == pytest.approx(1000 + 5 * 64 + 600 + 2 * 64 * 32, rel=0.01)
    assert cost.ffs == pytest.approx(2 * cost.luts, rel=0.01)
    assert cost.fmax_mhz == pytest.approx(150 - 4 * 6, rel=0.01)
    assert (cost.dsps, cost.brams) == (multipliers(arch), ecp5_memory_blocks(arch))


def test_held_out_errors_are_those_of_designs_left_out() -> None:
    exact = made_designs()
    assert held_out_errors(exact).luts < 0.01
    outlier = replace(exact[0], luts=3 * exact[0].luts)
    spoilt = held_out_errors([outlier, *exact[1:]])
    # The others tell its true size exactly; a fit that saw it would be nearer to the false one.
    assert spoilt.luts_most == pytest.approx(2 / 3, rel=0.01)
    assert spoilt.designs == len(exact)


def test_too_few_designs_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs more than 6 routed designs, not 3"):
        CostModel(made_designs()[:3])


def test_the_shipped_designs_have_the_block_rams_and_multipliers_counted_ahead() -> None:
    designs = load_routed()
    assert len(designs) >= 8
    for design in designs:
        counted = (multipliers(design.arch), ecp5_memory_blocks(design.arch))
        assert (design.dsps, design.brams) == counted, design.arch.to_json()


def test_the_shipped_model_is_within_its_bounds_on_held_out_designs() -> None:
    _, errors = shipped_cost_model()
    assert errors.luts <= 0.10
    assert errors.fmax <= 0.15


def test_a_routed_design_survives_json() -> None:
    design = made_designs()[3]
    assert RoutedDesign.of(json.loads(json.dumps(design.to_dict()))) == design
