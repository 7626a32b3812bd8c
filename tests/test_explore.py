"""`mixvec explore`: designs measured exactly, each once, and the best of them written out."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from codesign.commands import explore as explore_command
from codesign.exploration import engine, measuring
from codesign.exploration.engine import Engine
from codesign.exploration.measuring import Measurement, measure
from codesign.exploration.store import Store
from codesign.files import write_arrays
from spec.arch import ArchConfig
from tests.command_runs import Run, is_one_sentence

GRID = ("--clusters", "1,2", "--lanes", "2,4", "--tokens", "1,2", "--columns", "5")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def matrices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("model") / "matrices.npz"
    shapes = {"up": (96, 40), "down": (40, 96)}
    write_arrays(
        path, {name: generator.normal(size=size).astype(np.float32) for name, size in shapes.items()}
    )
    return path


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(folder / "results.parquet").to_pylist()
    return rows


def explored(run: Run, model: Path, folder: Path, *options: object) -> dict[str, Any]:
    status, out, err = run("explore", model, "-o", folder, *GRID, "--workers", 1, *options, "--json")
    assert status == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_cycles_are_those_that_estimate_counts(run: Run, matrices: Path, tmp_path: Path) -> None:
    report = explored(run, matrices, tmp_path / "found", "--sparsity", "0.6,0.8")
    rows = rows_of(tmp_path / "found")
    assert report["points"] == len(rows) == 16
    row = next(row for row in rows if (row["clusters"], row["lanes"], row["tokens"]) == (2, 4, 2))
    (tmp_path / "arch.json").write_text('{"clusters": 2, "lanes": 4, "tokens": 2}')
    prune = ("prune", matrices, "-o", tmp_path / "pruned", "--arch", tmp_path / "arch.json")
    assert run(*prune, "--sparsity", row["sparsity"])[0] == 0
    packed = tmp_path / "model.mxv"
    assert run("pack", tmp_path / "pruned", "--arch", tmp_path / "arch.json", "-o", packed)[0] == 0
    status, out, _ = run("estimate", packed, "--tokens", 5, "--json")
    assert status == 0
    total = json.loads(out)["total"]
    for name in ("kept", "compute_cycles", "load_cycles", "cycles", "utilization", "end_to_end_utilization"):
        assert row[name] == total[name], name


def test_the_front_is_written_with_architectures_that_can_be_built(
    run: Run, matrices: Path, tmp_path: Path
) -> None:
    report = explored(run, matrices, tmp_path / "found", "--objective", "latency,area")
    front = json.loads((tmp_path / "found" / "front.json").read_text())
    assert [one["latency_ms"] for one in front] == [one["latency_ms"] for one in report["front"]]
    used = [max(one[f"{name}_used"] for name in ("luts", "ffs", "dsps", "brams")) for one in front]
    assert sorted(used, reverse=True) == used
    for one in front:
        (file,) = (tmp_path / "found").glob("C{clusters}-L{lanes}-T{tokens}-*.json".format(**one))
        arch = ArchConfig.load(file)
        assert arch.model_dump() == {name: one[name] for name in arch.model_dump()}
        assert one["latency_ms"] == pytest.approx(one["cycles"] / one["fmax_mhz"] / 1e3)
        assert sum(layer["cycles"] for layer in one["layers"]) == one["cycles"]
    for place, one in enumerate(front):
        for layer in one["layers"]:
            if place < 5:
                counted = {
                    name: layer["counters"][name] for name in ("compute_cycles", "load_cycles", "beats")
                }
                assert counted == {name: layer[name] for name in counted}
                assert layer["counters"]["cycles"] == layer["cycles"]
        shares = sum(one[name] or 0 for name in one if name.startswith("share_"))
        assert shares == pytest.approx(1 if place < 5 else 0)
    marked = [row for row in rows_of(tmp_path / "found") if row["front"]]
    assert len(marked) == len(front)


def test_a_packed_file_keeps_its_masks(run: Run, packed: Path, tmp_path: Path) -> None:
    explored(run, packed, tmp_path / "found")
    rows = rows_of(tmp_path / "found")
    assert len({row["kept"] for row in rows if row["lanes"] == 2}) == 1
    assert {row["sparsity"] for row in rows} == {None}
    status, _, err = run("explore", packed, "-o", tmp_path / "other", *GRID, "--sparsity", 0.5)
    assert status == 2 and is_one_sentence(err) and "pruned already" in err


def test_workers_and_a_cluster_find_the_same(run: Run, matrices: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    explored(run, matrices, tmp_path / "one")
    wanted = (tmp_path / "one" / "results.csv").read_bytes()
    os.environ["MIXVEC_CACHE"] = str(tmp_path / "cache-2")
    status, _, err = run("explore", matrices, "-o", tmp_path / "two", *GRID, "--workers", 2)
    assert status == 0, err
    assert (tmp_path / "two" / "results.csv").read_bytes() == wanted
    os.environ["MIXVEC_CACHE"] = str(tmp_path / "cache-3")
    make: Any = LocalCluster
    with make(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        status, _, err = run("explore", matrices, "-o", tmp_path / "three", *GRID, "--cluster", address)
    assert status == 0, err
    assert (tmp_path / "three" / "results.csv").read_bytes() == wanted


def test_nothing_is_measured_twice(run: Run, matrices: Path, tmp_path: Path) -> None:
    assert explored(run, matrices, tmp_path / "a")["points_per_second_per_core"] > 0
    assert explored(run, matrices, tmp_path / "b")["points_per_second_per_core"] is None
    for name in ("results.csv", "front.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_killed_exploration_goes_on_where_it_was(
    matrices: Path, tmp_path: Path, own_cache: Path, run: Run
) -> None:
    command = [sys.executable, "-c", "import sys; from codesign.cli import main; sys.exit(main())"]
    arguments = ["explore", str(matrices), "-o", str(tmp_path / "found"), *GRID, "--workers", "1"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    kept = own_cache / "explore"
    for _ in range(600):
        if process.poll() is not None or len(list(kept.rglob("*.json"))) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")}
    assert len(before) >= 2
    explored(run, matrices, tmp_path / "found")
    after = {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")}
    assert len(after) >= 8
    assert {path: after[path] for path in before} == before


def test_a_design_that_cannot_hold_a_layer_says_so(run: Run, packed: Path, tmp_path: Path) -> None:
    result = measure(
        Measurement(str(packed), "x", ArchConfig(clusters=1, lanes=2, tokens=1, psum_width=16), 3)
    )
    assert "psum_width" in result["error"] and result["layers"] == []
    (tmp_path / "narrow.json").write_text('{"clusters": 1, "lanes": 2, "tokens": 1, "psum_width": 16}')
    status, _, err = run(
        "explore", packed, "-o", tmp_path / "found", *GRID, "--arch", tmp_path / "narrow.json"
    )
    assert status == 2 and is_one_sentence(err) and "no design can run the model" in err
    assert not (tmp_path / "found").exists()


def test_results_come_back_in_the_order_of_the_jobs(packed: Path, tmp_path: Path) -> None:
    archs = [ArchConfig(clusters=1, lanes=2, tokens=tokens) for tokens in (3, 1, 3, 2)]
    jobs = [Measurement(str(packed), "x", arch, 4) for arch in archs]
    done: list[int] = []
    with Engine(Store(tmp_path), workers=1) as own:
        found = own.measure_all(jobs, done.append)
    assert [result["layers"] for result, _ in found] == [measure(job)["layers"] for job in jobs]
    assert sum(done) == len(jobs)


def test_processes_stay_and_layers_are_cut_once_for_all_designs_alike(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    @contextmanager
    def pool(workers: int) -> Iterator[Executor]:
        pools.append(workers)
        # One thread, which shares what this process remembers.
        with ThreadPoolExecutor(1) as threads:
            yield threads

    monkeypatch.setattr(engine, "process_pool", pool)
    measuring._segmented.cache_clear()
    shapes = [(lanes, tokens) for tokens in (1, 2, 3, 4) for lanes in (1, 2, 4)]
    archs = [ArchConfig(clusters=1, lanes=lanes, tokens=tokens) for lanes, tokens in shapes]
    jobs = [Measurement(str(packed), "y", arch, 4) for arch in archs]

    with Engine(Store(tmp_path), workers=2) as own:
        own.measure_all(jobs[:6])
        own.measure_all(jobs[6:])

    assert pools == [2]
    # Three each time, of which the last one is still there the second time.
    assert measuring._segmented.cache_info().misses <= 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clusters", "1,x"), "`--clusters` must be whole numbers"),
        (("--sparsity", "0.8;0.7"), "`--sparsity` must be numbers"),
        (("--sparsity", "2"), "must be from 0 to 1"),
        (("--lanes", "3"), "no combination is an architecture"),
        (("--board", "de10"), "known are orangecrab, ulx3s"),
        (("--objective", "speed"), "--objective"),
        (("--most-ms", "1e-9"), "no design meets `--most-ms`"),
        (("--cluster", "tcp://127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run,
    matrices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr(engine, "REACH_SECONDS", 0.5)

    status, out, err = run("explore", matrices, "-o", tmp_path / "found", *GRID, "--workers", 1, *options)

    assert (status, out) == (2, "")
    assert is_one_sentence(err), err
    assert message in err
    assert not (tmp_path / "found").exists()


def test_a_search_measures_some_designs_and_none_a_second_time(
    run: Run, matrices: Path, tmp_path: Path
) -> None:
    depths = ",".join(str(1 << bits) for bits in range(4, 18))
    options = (
        *GRID,
        "--value-depth",
        depths,
        "--sparsity",
        "0.5,0.8",
        "--trials",
        30,
        "--workers",
        1,
        "--json",
    )

    status, first, _ = run("explore", matrices, "-o", tmp_path / "one", *options)
    again, second, _ = run("explore", matrices, "-o", tmp_path / "two", *options)

    assert (status, again) == (0, 0)
    found, known = json.loads(first), json.loads(second)
    assert 15 < found["points"] <= 30
    assert found["front"] == known["front"] and known["points_per_second_per_core"] is None
    # Every design of the front is what measuring it alone says.
    best = found["front"][0]
    axes = [
        f"--{name.replace('_', '-')}" for name in ("clusters", "lanes", "tokens", "value_depth", "sparsity")
    ]
    values = [best[name] for name in ("clusters", "lanes", "tokens", "value_depth", "sparsity")]
    alone = [part for pair in zip(axes, values, strict=True) for part in pair]
    _, out, _ = run(
        "explore", matrices, "-o", tmp_path / "alone", *alone, "--columns", 5, "--workers", 1, "--json"
    )
    assert json.loads(out)["front"] == [best]


def test_a_space_too_large_to_measure_is_searched(
    run: Run, matrices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore_command, "_MOST_DESIGNS", 7)
    monkeypatch.setattr(explore_command, "_TRIALS", 5)

    status, out, err = run("explore", matrices, "-o", tmp_path / "found", *GRID, "--workers", 1, "--json")

    assert status == 0 and json.loads(out)["points"] <= 5
    assert "8 designs are too many to measure all: a search asks for 5 of them" in err


def test_a_board_that_nothing_fits_is_said_with_the_resource(
    run: Run, matrices: Path, tmp_path: Path
) -> None:
    large = ("--clusters", "16", "--lanes", "8", "--tokens", "16", "--workers", 1, "--board", "orangecrab")
    status, _, err = run("explore", matrices, "-o", tmp_path / "found", *large)
    assert status == 2 and "no design fits the ECP5-25F" in err


class PageReader(HTMLParser):
    """Scripts from elsewhere, and the cells of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.cells: list[str] = []
        self.plots = 0
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.sources += [value for name in ("src", "href") if (value := given.get(name))]
        self.plots += (given.get("id") or "").startswith("figure-")
        self._in_cell = tag == "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells.append(data)


def test_the_report_is_one_page_without_network(run: Run, matrices: Path, tmp_path: Path) -> None:
    report = explored(run, matrices, tmp_path / "found", "--sparsity", "0.6,0.8")
    page = (tmp_path / "found" / "report.html").read_text()
    reader = PageReader()
    reader.feed(page)
    assert reader.sources == []
    assert reader.plots == 7
    for one in report["front"]:
        shape = f"C{one['clusters']} L{one['lanes']} T{one['tokens']}, {100 * one['sparsity']:g} %"
        assert shape in reader.cells
        assert f"{one['cycles']:,}" in reader.cells


def test_the_table_of_results_opens_elsewhere(run: Run, matrices: Path, tmp_path: Path) -> None:
    explored(run, matrices, tmp_path / "found")
    with (tmp_path / "found" / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    rows = rows_of(tmp_path / "found")
    assert [int(line["cycles"]) for line in lines] == [row["cycles"] for row in rows]
