"""The command: what it prints and writes, and how it refuses."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codesign.cli as cli
from codesign.cycles import CycleCount, layer_cycles
from codesign.files import output_file, output_folder, read_arrays, write_arrays
from codesign.pruned import kept_count
from codesign.regression.layers import limit_layer
from codesign.verification import integer_product
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.errors import ConfigError
from sw.pack import pack
from sw.quantize import quantize_rows
from tests.command_runs import Run, is_one_sentence
from tests.test_report import LAYER_KEYS


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".part-*")]


def test_prune_writes_masks_weights_orders_and_manifest(pruned: Path, model: Path) -> None:
    masks, weights = read_arrays(pruned / "masks.npz"), read_arrays(pruned / "weights.npz")
    manifest = json.loads((pruned / "manifest.json").read_text())
    original = read_arrays(model)

    assert list(masks) == list(weights) == list(original) == ["a", "b"]
    for entry in manifest["layers"]:
        name = entry["name"]
        np.testing.assert_array_equal(weights[name], original[name] * masks[name])
        assert masks[name].dtype == np.bool_
        assert entry["kept"] == masks[name].sum()
        assert set(entry["strengths"]) == {"neighbour", "variance"}
        length = entry["rows"] if entry["direction"] == "vertical" else entry["cols"]
        np.testing.assert_array_equal(np.sort(read_arrays(pruned / "orders.npz")[name]), np.arange(length))


def test_ratios_become_the_nearest_count() -> None:
    assert kept_count(0.93, 100) == 7
    assert kept_count(0.8, 384 * 384) == 29491
    assert [kept_count(sparsity, 10) for sparsity in (0.0, 1.0)] == [10, 0]


@pytest.mark.parametrize("method", ["vector", "fine-grained", "block"])
def test_every_method_prunes(tmp_path: Path, model: Path, run: Run, method: str) -> None:
    lengths = [] if method == "fine-grained" else ["--lengths", "4"]

    status, out, _ = run("prune", model, "-o", tmp_path / "p", "--method", method, *lengths, "--json")

    assert status == 0
    assert json.loads(out)["method"] == method


@pytest.mark.parametrize("direction", ["vertical", "horizontal"])
def test_a_direction_asked_for_is_taken(tmp_path: Path, model: Path, run: Run, direction: str) -> None:
    status, out, _ = run(
        *("prune", model, "-o", tmp_path / "p", "--lanes", 2, "--segment", 8, "--no-grouping"),
        *("--direction", direction, "--json"),
    )

    assert status == 0
    assert {layer["direction"] for layer in json.loads(out)["layers"]} == {direction}
    assert json.loads(out)["arch"]["segment"] == 8


def test_unpack_gives_what_pack_quantized(tmp_path: Path, pruned: Path, packed: Path, run: Run) -> None:
    status, _, _ = run("unpack", packed, "-o", tmp_path / "w.npz")

    assert status == 0
    weights, integers = read_arrays(pruned / "weights.npz"), read_arrays(tmp_path / "w.npz")
    assert list(integers) == list(weights)
    for name, matrix in integers.items():
        np.testing.assert_array_equal(matrix, quantize_rows(weights[name], 8)[0])


def test_inspect_counts_what_is_stored(packed: Path, pruned: Path, run: Run) -> None:
    status, out, _ = run("inspect", packed, "--json")

    assert status == 0
    masks = read_arrays(pruned / "masks.npz")
    for layer in json.loads(out)["layers"]:
        assert layer["kept"] == masks[layer["name"]].sum()
        assert all(layer["checks"].values())
        assert layer["mean_length"] == layer["kept"] / layer["vectors"]


def test_inspect_checks_what_a_file_says_of_its_model(tmp_path: Path, run: Run) -> None:
    arch = ArchConfig.load("tiny")
    layer, _ = limit_layer(arch, Direction.VERTICAL)
    about = {"version": 3, "scales": {layer.name: 0.5}, "rest": 1, "left_out": {}, "provenance": {}}
    numbers = np.arange(4, dtype="<f4").tobytes()
    for name, shape in (("good", [2, 2]), ("bad", [2, 3])):
        about["trained"] = {"norm": shape}
        (tmp_path / f"{name}.mxv").write_bytes(pack([layer], arch, about, numbers))

    good, out, _ = run("inspect", tmp_path / "good.mxv")
    bad, _, err = run("inspect", tmp_path / "bad.mxv")

    assert (good, bad) == (0, 2)
    assert "psums, model" in out
    assert is_one_sentence(err)
    assert "bad.mxv is no packed model: the parameters around the layers must take 3 words, not 2" in err


def test_inspect_refuses_psums_that_may_overflow(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=1, weight_width=3, psum_width=16)
    layer, _ = limit_layer(arch.model_copy(update={"psum_width": 17}), Direction.VERTICAL)
    with monkeypatch.context() as unproven:
        unproven.setattr("sw.plan.check_psums", lambda *_: None)
        (tmp_path / "wide.mxv").write_bytes(pack([layer], arch))

    status, _, err = run("inspect", tmp_path / "wide.mxv")

    assert status == 2
    assert is_one_sentence(err)
    assert "layer limit can reach a psum of -65536, which takes 17 bits; raise `psum_width` from 16" in err


def test_estimate_prints_the_contract_s_keys(packed: Path, run: Run) -> None:
    status, out, err = run("estimate", packed, "--tokens", 5, "--json")

    report = json.loads(out)
    assert status == 0
    assert err == ""
    assert [list(line) for line in report["layers"]] == [LAYER_KEYS, LAYER_KEYS]
    assert report["bit_exact"] is None
    assert report["total"]["compute_cycles"] == sum(line["compute_cycles"] for line in report["layers"])


def test_estimate_says_where_the_cycles_go(packed: Path, run: Run) -> None:
    status, out, _ = run("estimate", packed, "--tokens", 5)
    total = json.loads(run("estimate", packed, "--tokens", 5, "--json")[1])["total"]["counters"]

    assert status == 0
    printed = {
        name: int(line.split()[1].replace(",", ""))
        for line in out.splitlines()
        for name in [*line.split()[:1]]
        if name in COUNTERS
    }
    # One cluster.
    assert sum(printed.values()) == total["cycles"]
    assert printed == {name: total[name] for name in printed}


def test_a_timeline_shows_one_layer(tmp_path: Path, packed: Path, run: Run) -> None:
    picture = tmp_path / "timeline.png"

    status, _, err = run("estimate", packed, "--tokens", 5, "--timeline", picture)
    assert (status, picture.exists()) == (2, False)
    assert "shows one layer, not 2; choose it with `--layer`" in err

    status, _, err = run("estimate", packed, "--layer", "b", "--timeline", tmp_path / "timeline.doc")
    assert status == 2
    assert "must end in one of .png, .svg, .pdf" in err

    status, _, _ = run("estimate", packed, "--tokens", 5, "--layer", "b", "--timeline", picture)
    assert status == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_estimate_takes_another_architecture(packed: Path, run: Run) -> None:
    status, out, _ = run("estimate", packed, "--arch", "small", "--json")

    assert status == 0
    assert json.loads(out)["pes"] == ArchConfig.load("small").pes


@pytest.mark.slow
def test_sim_equals_pytorch_and_estimate(tmp_path: Path, packed: Path, run: Run) -> None:
    generator = np.random.default_rng(3)
    inputs = {"a": generator.integers(-128, 128, (20, 5)), "b": generator.integers(-128, 128, (13, 5))}
    # Whole tiles of zeros, so that beats are skipped.
    inputs["a"][::2] = 0
    write_arrays(tmp_path / "x.npz", inputs)
    common = ("--activations", tmp_path / "x.npz", "--json")

    status, out, _ = run("sim", packed, *common, "--save-outputs", tmp_path / "y.npz")
    estimated = json.loads(run("estimate", packed, *common)[1])

    assert status == 0
    report = json.loads(out)
    assert report["bit_exact"] is True
    run("unpack", packed, "-o", tmp_path / "w.npz")
    weights, outputs = read_arrays(tmp_path / "w.npz"), read_arrays(tmp_path / "y.npz")
    for name, x in inputs.items():
        np.testing.assert_array_equal(outputs[name], weights[name].astype(np.int64) @ x)
    for simulated, predicted in zip(report["layers"], estimated["layers"], strict=True):
        assert {**simulated, "bit_exact": None} == predicted


@pytest.mark.slow
def test_a_cycle_model_that_errs_fails_the_check(
    packed: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def errs(*arguments: Any) -> CycleCount:
        counted = layer_cycles(*arguments)
        return replace(counted, compute_cycles=counted.compute_cycles + 1)

    monkeypatch.setattr("codesign.simulation.layer_cycles", errs)

    status, out, err = run("sim", packed, "--tokens", 2, "--layer", "b", "--json")

    assert status == 1
    assert json.loads(out)["bit_exact"] is True
    measured = json.loads(out)["total"]["compute_cycles"]
    assert f"the RTL counts {measured} compute_cycles, the cycle model {measured + 1}" in err


@pytest.mark.slow
def test_a_wrong_output_fails_the_check(packed: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def errs(*arguments: Any) -> Any:
        product = integer_product(*arguments)
        product[1, 0] += 1
        return product

    monkeypatch.setattr("codesign.verification.integer_product", errs)

    status, out, err = run("sim", packed, "--tokens", 2, "--layer", "b", "--json")

    assert status == 1
    assert json.loads(out)["bit_exact"] is False
    assert "1 of 18 outputs differ from PyTorch, first at row 1, token 0" in err


@pytest.mark.slow
def test_waves_are_recorded_of_one_layer(tmp_path: Path, packed: Path, run: Run) -> None:
    waves = tmp_path / "waves.fst"

    refused = run("sim", packed, "--waves", waves)
    status, _, _ = run("sim", packed, "--tokens", 1, "--layer", "b", "--waves", waves)

    assert refused[0] == 2 and is_one_sentence(refused[2])
    assert status == 0
    assert waves.stat().st_size > 1000


@pytest.mark.slow
def test_the_demo_proves_a_layer_of_minilm(tmp_path: Path, run: Run) -> None:
    arch = tmp_path / "arch.json"
    arch.write_text('{"clusters": 4, "lanes": 4, "tokens": 1}')

    status, out, _ = run("demo", "--arch", arch, "--tokens", 2, "-o", tmp_path / "demo", "--json")

    report = json.loads(out)
    assert status == 0
    assert report["bit_exact"] is True
    assert [line["name"].split(".")[1] for line in report["layers"]] == [
        *("qkv", "attention_output", "ff_up", "ff_down")
    ]
    assert report["storage"][0]["bits"] == sum(
        line["kept"] * line["bits_per_kept"] for line in report["layers"]
    )
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == sorted(report["files"])
    assert run("inspect", tmp_path / "demo" / "layers.mxv")[0] == 0


def test_rtl_writes_verilog_and_its_interface(tmp_path: Path, run: Run) -> None:
    status, out, _ = run("rtl", "tiny", "-o", tmp_path / "t.v", "--json")

    assert status == 0
    assert "module mixvec(" in (tmp_path / "t.v").read_text()
    assert json.loads((tmp_path / "t.json").read_text())["module"] == json.loads(out)["module"] == "mixvec"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, model: Path, run: Run) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        run("prune", model, "-o", folder / "p", "--arch", "tiny", "--seed", 5)
        run("pack", folder / "p", "--arch", "tiny", "-o", folder / "f.mxv")
        run("unpack", folder / "f.mxv", "-o", folder / "w.npz")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))

    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("command", ["demo", "prune", "pack", "inspect", "unpack", "rtl", "sim", "estimate"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")

    assert status == 0
    assert command in out


def test_an_output_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("before")

    with pytest.raises(KeyboardInterrupt), output_file(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt

    assert target.read_text() == "before"
    assert left_over(tmp_path) == []


def test_an_output_folder_keeps_files_of_others(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "mine").write_text("mine")
    (target / "old").write_text("old")

    with output_folder(target) as part:
        (part / "old").write_text("new")

    assert {path.name: path.read_text() for path in target.iterdir()} == {"mine": "mine", "old": "new"}
    assert left_over(tmp_path) == []


def test_ctrl_c_ends_with_130_and_without_a_traceback(
    tmp_path: Path, model: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sw.models

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sw.models, "load_matrices", interrupt)

    status, out, err = run("prune", model, "-o", tmp_path / "p")

    assert (status, out, err) == (130, "", "")
    assert not (tmp_path / "p").exists() and left_over(tmp_path) == []


def test_a_full_disk_is_one_sentence(packed: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import codesign.packed

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device", "file.mxv")

    monkeypatch.setattr(codesign.packed, "load_packed", full)

    status, _, err = run("inspect", packed)

    assert status == 2
    assert is_one_sentence(err) and "file.mxv: No space left on device" in err


def test_help_needs_no_heavy_import() -> None:
    script = (
        "import sys; from codesign.cli import main; main(['--help']); "
        "print(sorted({'torch', 'amaranth', 'transformers', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    root = Path(cli.__file__).parent.parent

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )

    assert done.stdout.rstrip().endswith("[]")


def test_an_unreadable_choice_of_files_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_arrays(tmp_path / "absent.npz")
