"""`mixvec explore --train`: what every pruning costs the model's answers, in the same table as its speed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import torch

from codesign.exploration import judging
from codesign.pruned import load_pruned
from codesign.subjects import Subject, load_subject
from codesign.trials import Trial, run_trial
from codesign.whole.compilation import default_recipe
from spec.arch import ArchConfig
from sw.int8 import int8_model
from sw.pattern import Pattern
from sw.targets import find_targets
from tests.command_runs import Run, is_one_sentence
from tests.letter_folder import write_letter_folder
from tests.tiny_language import tiny_model, tiny_tokens

GRID = (
    "--clusters",
    "1,2",
    "--lanes",
    "2,4",
    "--tokens",
    "2",
    "--columns",
    "3",
    "--workers",
    1,
    "--causes",
    0,
)
BUDGET = ("--metadata-bits", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judged")
    write_letter_folder(path, tiny_tokens())
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "cache"))


def explored(run: Run, folder: Path, output: Path, *options: object) -> list[dict[str, Any]]:
    data = ("--train", folder / "text.txt")
    call = ("explore", folder / "model", "-o", output, *GRID, *BUDGET, *data, *options, "--json")
    status, _, err = run(*call)
    assert status == 0, err
    rows: list[dict[str, Any]] = parquet.read_table(output / "results.parquet").to_pylist()
    return rows


def test_quality_and_cycles_are_those_of_the_same_integers(run: Run, folder: Path, tmp_path: Path) -> None:
    rows = explored(run, folder, tmp_path / "found", "--sparsity", "0.5,0.9")

    assert len(rows) == 8 and {row["quality_measure"] for row in rows} == {"perplexity"}
    subject = Subject(str(folder / "model"), folder / "text.txt")
    for clusters, lanes, sparsity in ((1, 2, 0.5), (2, 4, 0.9)):
        model, task = load_subject(subject)
        dense = task.measure(model)["perplexity"]
        arch = ArchConfig(clusters=clusters, lanes=lanes, tokens=2)
        pattern = Pattern(arch, metadata_bits=2.0)
        recipe = default_recipe(arch, 24)
        recipe = replace(recipe, stages=1, prune=replace(recipe.prune, pattern=pattern))
        # Packs the integers that it judges, and counts every cycle by itself.
        one = Trial(pattern, sparsity, recipe, 3, arch)
        trial, _ = run_trial(one, model, task, device=torch.device("cpu"))
        (row,) = [
            row
            for row in rows
            if (row["clusters"], row["lanes"], row["sparsity"]) == (clusters, lanes, sparsity)
        ]
        assert row["quality"] == trial["integer"]["perplexity"] and row["dense_quality"] == dense
        assert (row["kept"], row["bits"]) == (trial["kept"], trial["bits"])
        assert (row["compute_cycles"], row["cycles"]) == (trial["compute_cycles"], trial["cycles"])


def test_what_is_kept_for_cycles_are_the_judged_integers(run: Run, folder: Path, tmp_path: Path) -> None:
    (row, _) = explored(run, folder, tmp_path / "found", "--sparsity", "0.97", "--lanes", "4")

    (masks,) = (tmp_path / "cache" / "masks").iterdir()
    _, layers = load_pruned(masks)
    arch = ArchConfig(clusters=1, lanes=4, tokens=2)
    model, task = load_subject(Subject(str(folder / "model"), folder / "text.txt"))
    integers = {layer.name: layer.quantize(arch) for layer in layers}
    assert any(layer.smoothing is not None and layer.smoothing.any() for layer in layers)
    whole = int8_model(model, integers, dict.fromkeys(integers), find_targets(model))
    assert task.measure(whole)["perplexity"] == row["quality"]


def test_a_pruning_is_judged_once(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = explored(run, folder, tmp_path / "first", "--sparsity", "0.5")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pruned again")

    monkeypatch.setattr(judging, "sparsify", refuse)
    assert explored(run, folder, tmp_path / "second", "--sparsity", "0.5") == before


def test_every_width_is_judged_by_itself(run: Run, folder: Path, tmp_path: Path) -> None:
    rows = explored(
        run, folder, tmp_path / "found", "--sparsity", "0.2", "--weight-width", "2,8", "--steps", "60"
    )

    found = {(row["lanes"], row["weight_width"]): row["quality"] for row in rows}
    assert len(found) == 4
    assert all(found[lanes, 8] < found[lanes, 2] for lanes in (2, 4))


def test_training_brings_quality_back_and_is_in_the_report(run: Run, folder: Path, tmp_path: Path) -> None:
    plain = explored(run, folder, tmp_path / "plain", "--sparsity", "0.8,0.9", "--lanes", "2")
    trained = explored(
        run, folder, tmp_path / "trained", "--sparsity", "0.8,0.9", "--lanes", "2", "--steps", "80"
    )

    assert trained[0]["quality"] < 0.9 * plain[0]["quality"]
    page = (tmp_path / "trained" / "report.html").read_text()
    assert "perplexity, integers on held-out data" in page and "<th>perplexity</th>" in page
    assert f"<td>{trained[0]['quality']:.4g}</td>" in page
    front = json.loads((tmp_path / "trained" / "front.json").read_text())
    assert {one["quality"] for one in front} <= {one["quality"] for one in trained}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "5"), "`--test` and `--steps` belong to `--train`"),
        (("--test", "x.txt"), "`--test` and `--steps` belong to `--train`"),
        (("--train", "nowhere.txt"), "file nowhere.txt cannot be read"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    status, out, err = run("explore", folder / "model", "-o", tmp_path / "found", *GRID, *options)

    assert (status, out) == (2, "") and is_one_sentence(err), err
    assert message in err


def test_a_model_that_breaks_down_is_one_sentence(run: Run, folder: Path, tmp_path: Path) -> None:
    model: Any = tiny_model()
    with torch.no_grad():
        model.transformer.ln_f.weight *= 1e38
    shutil.copytree(folder / "model", tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    call = ("explore", tmp_path / "model", "-o", tmp_path / "found", *GRID, "--train", folder / "text.txt")

    status, out, err = run(*call)

    assert (status, out) == (2, "") and is_one_sentence(err), err
    assert "cannot be judged: its perplexity is not finite" in err


@pytest.mark.parametrize("model", ["gpt2", "mine.npy"])
def test_what_does_not_run_is_not_judged(run: Run, folder: Path, tmp_path: Path, model: str) -> None:
    call = ("explore", model, "-o", tmp_path / "found", *GRID, "--train", folder / "text.txt")

    status, out, err = run(*call)

    assert (status, out) == (2, "") and is_one_sentence(err), err
    assert f"`--train` needs a model that runs, `minilm` or a model folder, not {model}" in err


def test_a_packed_file_is_judged_already(run: Run, folder: Path, tmp_path: Path) -> None:
    status, _, err = run(
        "explore", tmp_path / "x.mxv", "-o", tmp_path / "found", "--train", folder / "text.txt"
    )

    assert status == 2 and "is pruned already, so its quality is the same everywhere" in err
