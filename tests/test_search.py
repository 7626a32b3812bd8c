"""The search of large spaces: it finds what measuring everything would, stops, and goes on where it was."""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from boards.devices import find_device
from codesign.exploration.cost_model import shipped_cost_model
from codesign.exploration.designs import Design, DesignSpace
from codesign.exploration.outcome import Limits, Objective
from codesign.exploration.search import Search
from spec.arch import ArchConfig
from spec.errors import ConfigError

AXES = {
    "clusters": range(1, 9),
    "lanes": (1, 2, 4, 8),
    "tokens": range(1, 9),
    "value_depth": (256, 512, 1024, 2048, 4096),
    "stream_width": (64, 128, 256),
}
MOST_PES = 40


class Judge:
    """Says of every design, by a formula, how it is, and remembers what it was asked."""

    def __init__(self, most: int | None = None) -> None:
        self.asked: list[Design] = []
        self.most = most

    def __call__(self, designs: Sequence[Design]) -> Any:
        if self.most is not None and len(self.asked) >= self.most:
            raise KeyboardInterrupt
        self.asked += designs
        return [answer(design.arch) for design in designs]


def answer(arch: ArchConfig) -> Any:
    """Time by the PEs, longer with shallow memories; room by PEs and memory."""
    time = (1 + 64 / arch.value_depth) / arch.pes
    room = arch.pes / MOST_PES + arch.value_depth / 1e5
    values = {Objective.LATENCY: time, Objective.AREA: room}
    return SimpleNamespace(error=None, excess=room - 1, objective=values.__getitem__)


def search(folder: Path, axes: Any = AXES, trials: int = 200) -> Search:
    return Search(
        DesignSpace({}, axes),
        (Objective.LATENCY, Objective.AREA),
        Limits(find_device("ulx3s")),
        shipped_cost_model()[0].cost,
        trials,
        folder / "search.journal",
    )


def test_a_twentieth_of_the_space_holds_nearly_the_fastest_that_fits(tmp_path: Path) -> None:
    space, judge = DesignSpace({}, AXES), Judge()
    every = [space.design(dict(zip(AXES, values, strict=True))) for values in product(*AXES.values())]
    fitting = [one for one in map(answer, (design.arch for design in every)) if one.excess <= 0]
    best = min(one.objective(Objective.LATENCY) for one in fitting)

    found = search(tmp_path).run(judge)

    assert len(every) == 3840 and len(judge.asked) == 200
    assert set(found) == set(judge.asked)
    # It begins with what fits the board by the cost model alone, which much of the space does not.
    price, most = shipped_cost_model()[0].cost, find_device("ulx3s").dsps
    assert all(price(design.arch).dsps <= most for design in judge.asked[:15])
    seen = [one for one in map(answer, (design.arch for design in found)) if one.excess <= 0]
    assert min(one.objective(Objective.LATENCY) for one in seen) < 1.05 * best
    # What does not fit is left behind: half of the space, and much less of what is asked for at last.
    late = [answer(design.arch).excess <= 0 for design in judge.asked[-80:]]
    assert len(fitting) < 0.5 * len(every) and sum(late) > 0.7 * len(late)


def test_an_interrupted_search_goes_on_and_a_finished_one_asks_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path).run(Judge(most=80))
    rest, nothing = Judge(), Judge()

    found = search(tmp_path).run(rest)

    assert len(rest.asked) == 120
    assert search(tmp_path).run(nothing) == found
    assert nothing.asked == []


@pytest.mark.parametrize("damage", [b"not json\n", b'{"op_code": 99}\n', b"[1]\n", b"\xff\xfe\n"])
def test_a_damaged_journal_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    first = search(tmp_path, trials=60).run(Judge())
    journal = tmp_path / "search.journal"
    journal.write_bytes(damage + journal.read_bytes())

    assert search(tmp_path, trials=60).run(Judge()) == first


def test_a_journal_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"^the search cannot be kept in .*: Not a directory; free space"):
        search(tmp_path / "file" / "folder").run(Judge())


def test_the_same_search_asks_for_the_same_designs(tmp_path: Path) -> None:
    assert search(tmp_path / "one").run(Judge()) == search(tmp_path / "two").run(Judge())


def test_what_is_no_architecture_is_never_measured(tmp_path: Path) -> None:
    judge = Judge()

    found = search(tmp_path, {"clusters": (1, 2), "lanes": (1, 2, 3, 5, 6, 7), "tokens": (1, 2)}, 60).run(
        judge
    )

    assert {design.arch.lanes for design in judge.asked} == {1, 2}
    assert set(found) == set(judge.asked)


def test_a_space_without_any_architecture_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^none of 10 combinations is an architecture; .*`lanes` must be a power"
    ):
        search(tmp_path, {"clusters": (1, 2), "lanes": (3, 5), "tokens": (1, 2)}, 10).run(Judge())


def test_a_design_that_cannot_run_the_model_is_kept_but_not_bred_from(tmp_path: Path) -> None:
    def judge(designs: Sequence[Design]) -> Any:
        wide = [design.arch.lanes == 8 for design in designs]
        return [
            SimpleNamespace(error="no") if bad else answer(one.arch)
            for one, bad in zip(designs, wide, strict=True)
        ]

    found = search(tmp_path).run(judge)

    late = found[len(found) // 2 :]
    assert sum(design.arch.lanes == 8 for design in late) < len(late) / 4


def test_without_optuna_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(ConfigError, match=r"^3,840 designs need a search by Optuna; .*'mixvec\[search\]'"):
        search(tmp_path).run(Judge())
