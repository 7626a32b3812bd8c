"""The FuseSoC core that `mixvec rtl --fusesoc` writes, by FuseSoC itself: lint, self-check, synthesis."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codesign.bench_job import bench_job
from codesign.cli import main
from codesign.fusesoc_core import FILES, core_name
from codesign.verification import integer_product
from codesign.verilog import accelerator_verilog
from hw.family import Family
from sim.stream_run import run_stream
from sim.verilator import prepare_environment
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.presets import PRESETS
from sw.job import read_outputs
from tests.command_runs import Run, is_one_sentence

ARCHS = {
    **{name: ArchConfig.load(name) for name in PRESETS if name != "paper"},
    "odd": ArchConfig(clusters=3, lanes=2, tokens=3, segment=8, psum_width=21, stream_width=128),
    "one PE": ArchConfig(clusters=1, lanes=1, tokens=1, segment=1),
}


def fusesoc(core: Path, target: str, work: Path) -> subprocess.CompletedProcess[str]:
    """Run one target of the core in ``core``."""
    environment = dict(os.environ)
    prepare_environment(environment)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    (name,) = re.findall(r"^name: (\S+)$", (core / "mixvec.core").read_text(), re.MULTILINE)
    command = [
        sys.executable,
        "-m",
        "fusesoc.main",
        "--cores-root",
        str(core),
        "run",
        "--work-root",
        str(work),
    ]
    return subprocess.run(
        [*command, "--target", target, name],
        env=environment,
        cwd=core,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A core of the smallest preset; tests only read it."""
    folder = tmp_path_factory.mktemp("fusesoc") / "core"
    assert main(["rtl", "tiny", "--fusesoc", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("bus", Bus)
def test_fusesoc_lints_the_core_without_a_warning(bus: Bus, tmp_path: Path, run: Run) -> None:
    assert run("rtl", "tiny", "--fusesoc", tmp_path / "core", "--bus", bus)[0] == 0

    done = fusesoc(tmp_path / "core", "lint", tmp_path / "work")

    assert done.returncode == 0, done.stdout
    assert "verilator -f" in done.stdout and "Warning" not in done.stdout

    verilog = tmp_path / "core" / "mixvec.v"
    verilog.write_text(verilog.read_text().replace("endmodule", "wire a; wire b = a;\nendmodule", 1))
    assert "UNDRIVEN" in fusesoc(tmp_path / "core", "lint", tmp_path / "other").stdout


@pytest.mark.long
@pytest.mark.parametrize("bus", [Bus.STREAM, Bus.AXI])
def test_the_self_check_passes_and_sees_a_wrong_word(bus: Bus, tmp_path: Path, run: Run) -> None:
    folder, work = tmp_path / "core", tmp_path / "work"
    assert run("rtl", "tiny", "--fusesoc", folder, "--bus", bus)[0] == 0

    done = fusesoc(folder, "sim", work)

    assert done.returncode == 0, done.stdout
    assert "53 words out, all as expected" in done.stdout
    answers = work / "answers.hex"
    right = answers.read_text().splitlines()
    assert len(right) == 53
    # A payload, and a counter of DONE.
    for line in (5, 40):
        wrong = right.copy()
        wrong[line] = f"{int(wrong[line], 16) ^ 1:016x}"
        answers.write_text("\n".join(wrong) + "\n")
        ended = subprocess.run(["./Vmixvec_bench"], cwd=work, capture_output=True, text=True, check=False)
        assert ended.returncode != 0
        assert "all as expected" not in ended.stdout


@pytest.mark.parametrize(("arch", "family", "cell"), [("icebreaker", "ice40", "SB_MAC16")])
def test_a_core_with_primitives_brings_their_models(
    arch: str, family: str, cell: str, tmp_path: Path, run: Run
) -> None:
    """For lint and self-check; yosys knows its families' cells."""
    folder = tmp_path / "core"
    assert run("rtl", arch, "--family", family, "--fusesoc", folder)[0] == 0

    done = {target: fusesoc(folder, target, tmp_path / target) for target in ("lint", "sim", "synth")}

    assert all(one.returncode == 0 for one in done.values()), [one.stdout[-500:] for one in done.values()]
    assert "Warning" not in done["lint"].stdout
    assert "all as expected" in done["sim"].stdout
    modules = json.loads((tmp_path / "synth" / "netlist.json").read_text())["modules"]
    assert any(one["type"] == cell for one in modules["mixvec"]["cells"].values())


@pytest.mark.long
def test_a_core_for_ecp5_is_clean_and_right(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "core"
    assert run("rtl", "tiny", "--family", "ecp5", "--fusesoc", folder)[0] == 0

    lint, sim = (fusesoc(folder, target, tmp_path / target) for target in ("lint", "sim"))

    assert lint.returncode == 0 and "Warning" not in lint.stdout
    assert sim.returncode == 0 and "all as expected" in sim.stdout


@pytest.mark.long
def test_synthesis_leaves_a_netlist_of_ecp5_cells(core: Path, tmp_path: Path) -> None:
    done = fusesoc(core, "synth", tmp_path / "work")

    assert done.returncode == 0, done.stdout
    modules = json.loads((tmp_path / "work" / "netlist.json").read_text())["modules"]
    assert set(modules["mixvec"]["ports"]) == {
        *("clk", "rst", "i__valid", "i__ready", "i__payload", "o__valid", "o__ready", "o__payload")
    }
    cells = Counter(cell["type"] for cell in modules["mixvec"]["cells"].values())
    assert not {kind for kind in cells if kind.startswith("$") and kind != "$scopeinfo"}
    assert cells["LUT4"] > 1000 and cells["TRELLIS_FF"] > 1000


@pytest.mark.parametrize("name", ARCHS)
def test_the_answers_of_the_self_check_are_pytorchs(name: str) -> None:
    arch = ARCHS[name]
    job = bench_job(arch)
    layer, activations = job.layer, job.activations

    result = read_outputs(b"".join([*job.packets, job.done]), layer, activations.shape[1], arch)

    assert np.array_equal(result.outputs, integer_product(layer.weights, activations))
    assert len({len(packet) for packet in job.packets}) == 1
    assert result.counters["skipped_beats"] > 0 or arch.pes == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["tiny", "odd"])
def test_the_rtl_gives_the_answers_of_the_self_check(name: str) -> None:
    arch = ARCHS[name]
    job, size = bench_job(arch), arch.stream_width // 8
    words = [int.from_bytes(job.stream[at : at + size], "little") for at in range(0, len(job.stream), size)]
    answers = sum(map(len, [*job.packets, job.done])) // size

    result = run_stream(accelerator_verilog(arch), arch.stream_width, words, expected=answers)

    data, length = result.answer, len(job.packets[0])
    split = length * len(job.packets)
    assert sorted(data[at : at + length] for at in range(0, split, length)) == sorted(job.packets)
    assert data[split:] == job.done


def test_the_core_names_its_architecture_and_what_it_is_for() -> None:
    assert core_name("small", Bus.STREAM, Family.GENERIC).startswith("mixvec:accelerator:small:")
    assert core_name("my files/a b.json", Bus.AXI, Family.ECP5).startswith("mixvec:accelerator:a_b_axi_ecp5:")


def test_a_core_is_written_anew_but_not_among_other_files(core: Path, tmp_path: Path, run: Run) -> None:
    assert {entry.name for entry in core.iterdir()} == set(FILES) - {"mixvec_cells.v"}
    before = {entry.name: entry.read_bytes() for entry in core.iterdir()}
    status, out, _ = run("rtl", "tiny", "--fusesoc", core, "--json")
    assert (status, json.loads(out)["core"]) == (0, core_name("tiny", Bus.STREAM, Family.GENERIC))
    assert {entry.name: entry.read_bytes() for entry in core.iterdir()} == before

    (tmp_path / "mine.txt").write_text("mine")
    status, out, err = run("rtl", "tiny", "--fusesoc", tmp_path)
    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert f"folder {tmp_path} holds mine.txt, which is not of a core" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_list_finds_the_verilog_from_where_it_lies(tmp_path: Path, run: Run) -> None:
    (tmp_path / "lists").mkdir()
    listed = tmp_path / "lists" / "all.f"

    assert run("rtl", "tiny", "-o", tmp_path / "rtl.v", "--filelist", listed)[0] == 0

    assert [(listed.parent / line).resolve() for line in listed.read_text().splitlines()] == [
        (tmp_path / "rtl.v").resolve()
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny",), "needs `-o` with a file, or `--fusesoc` with a folder"),
        (("huge", "--fusesoc", "new"), "architecture huge is neither a readable file nor a preset"),
        (("tiny", "--fusesoc", "file"), "exists and is not a folder"),
        (("tiny", "--fusesoc", "new", "--filelist", "a.f"), "names the file of `-o`; give that too"),
        (("tiny", "-o", "a.v", "--filelist", "a.txt"), "a.txt must end in .f"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    status, out, err = run("rtl", *arguments)

    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert message in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
