"""`mixvec prune` by every method, score and allocation, on files and on a model folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codesign.files import read_arrays, write_arrays
from tests.command_runs import Run, is_one_sentence
from tests.test_evaluate import folder

__all__ = ["folder"]


def pruned_layers(out: str) -> dict[str, dict[str, Any]]:
    return {layer["name"]: layer for layer in json.loads(out)["layers"]}


def test_n_of_m_follows_the_sparsity_or_is_given(tmp_path: Path, model: Path, run: Run) -> None:
    for options, (n, m) in ((["--sparsity", 0.75], (1, 4)), (["--n-m", "2:4"], (2, 4))):
        call = ("prune", model, "-o", tmp_path / "p", "--method", "n-m", "--direction", "horizontal")
        status, out, err = run(*call, *options, "--json")

        assert status == 0, err
        assert json.loads(out)["n_m"] == [n, m]
        mask = read_arrays(tmp_path / "p" / "masks.npz")["a"]
        assert (mask.reshape(24, 5, 4).sum(axis=2) == n).all()


def test_channels_are_pruned_whole(tmp_path: Path, model: Path, run: Run) -> None:
    status, out, err = run("prune", model, "-o", tmp_path / "p", "--method", "channel", "--json")

    assert status == 0, err
    for name, mask in read_arrays(tmp_path / "p" / "masks.npz").items():
        axis = 0 if pruned_layers(out)[name]["direction"] == "vertical" else 1
        assert (mask.all(axis=axis) == mask.any(axis=axis)).all() and not mask.all()


def test_heads_are_pruned_from_a_model_folder(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ("prune", folder / "model", "-o", tmp_path / "p", "--method", "head", "--sparsity", 0.17)

    status, _, err = run(*call, "--json")

    assert status == 0, err
    masks = read_arrays(tmp_path / "p" / "masks.npz")
    assert masks["layer0.ff_up"].all() and masks["layer1.ff_down"].all()
    heads = [masks[f"layer{layer}.qkv"].all(axis=1).reshape(3, 2, 16) for layer in range(2)]
    for layer, kept in enumerate(heads):
        assert (kept == kept[0]).all() and (kept.all(axis=2) == kept.any(axis=2)).all()
        assert kept[0, :, 0].sum() == 1
        columns = masks[f"layer{layer}.attention_output"].all(axis=0).reshape(2, 16)
        assert (columns[:, 0] == kept[0, :, 0]).all()


def test_one_threshold_gives_matrices_what_they_earn(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    weights = {"weak": rng.normal(size=(32, 16)), "strong": 3 * rng.normal(size=(32, 16))}
    write_arrays(tmp_path / "w.npz", {name: one.astype(np.float32) for name, one in weights.items()})
    counts = {}
    for allocation in ("matrix", "global"):
        call = ("prune", tmp_path / "w.npz", "-o", tmp_path / "p", "--arch", "tiny", "--metadata-bits", 4)
        status, out, err = run(*call, "--allocation", allocation, "--sparsity", 0.5, "--json")
        assert status == 0, err
        counts[allocation] = [layer["kept"] for layer in pruned_layers(out).values()]

    assert counts["matrix"] == [256, 256]
    assert counts["global"][0] < 150 and sum(counts["global"]) == 512


@pytest.mark.parametrize("score", ["fisher", "activation", "second-order"])
def test_scores_are_calibrated_on_a_text(folder: Path, tmp_path: Path, run: Run, score: str) -> None:
    call = ["prune", folder / "model", "-o", tmp_path / "p", "--arch", "tiny", "--method", "vector"]

    status, out, err = run(*call, "--score", score, "--text", folder / "text.txt", "--json")
    assert status == 0, err
    masks = read_arrays(tmp_path / "p" / "masks.npz")
    assert run(*call)[0] == 0
    magnitude = read_arrays(tmp_path / "p" / "masks.npz")

    assert json.loads(out)["score"] == score
    assert any((masks[name] != magnitude[name]).any() for name in masks)


def test_calibration_follows_its_seed(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ("prune", folder / "model", "--arch", "tiny", "--score", "fisher", "--text", folder / "text.txt")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(name))
        assert run(*call, "-o", tmp_path / name, "--seed", seed)[0] == 0

    first, second, other = ((tmp_path / name / "masks.npz").read_bytes() for name in "abc")
    assert first == second != other


def test_masks_are_drawn_on_demand(tmp_path: Path, model: Path, run: Run) -> None:
    assert run("prune", model, "-o", tmp_path / "p", "--method", "channel", "--pictures")[0] == 0

    drawn = sorted(path.name for path in (tmp_path / "p").glob("*.png"))
    assert drawn == ["mask-a.png", "mask-b.png"]
    assert all((tmp_path / "p" / name).read_bytes().startswith(b"\x89PNG") for name in drawn)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "head"], "method head needs attention layers with a known number of heads"),
        (["--n-m", "2:4"], "`--n-m` belongs to method n-m, not mixed-vector"),
        (["--method", "n-m", "--n-m", "4"], "N and M must be two numbers such as 2:4, not 4"),
        (["--method", "n-m", "--n-m", "5:4"], "must keep 1 to M of every M weights, not 5 of 4"),
        (["--score", "fisher"], "`--score` fisher needs gradients on real text"),
        (["--score", "movement"], "`--score` movement is learned while training"),
        (["--text", "text.txt"], "`--text` is for scores that calibrate, not magnitude"),
        (["--allocation", "fair"], "`--allocation` must be one of matrix, global"),
        (["--contiguous", "--allocation", "global"], "allocate by matrix instead"),
    ],
)
def test_bad_requests_are_one_sentence(
    model: Path, tmp_path: Path, run: Run, options: list[str], message: str
) -> None:
    status, out, err = run("prune", model, "-o", tmp_path / "p", *options)

    assert (status, out) == (2, "")
    assert is_one_sentence(err) and message in err
    assert not (tmp_path / "p").exists()
