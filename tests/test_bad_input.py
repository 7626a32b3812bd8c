"""Every kind of bad input: exit status 2, one sentence that says what to change, no file left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from codesign.files import write_arrays
from tests.command_runs import Run, SmallModel, is_one_sentence


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prune", "absent.npz", "-o", "p"], "absent.npz"),
        (["prune", "model.npz", "-o", "p", "--sparsity", "1.5"], "`--sparsity` must be from 0 to 1, not 1.5"),
        (["prune", "model.npz", "-o", "p", "--sparsity", "nan"], "`--sparsity` must be from 0 to 1, not nan"),
        (["prune", "model.npz", "-o", "p", "--sparsity", "much"], "--sparsity"),
        (["prune", "model.npz", "-o", "p", "--method", "magic"], "magic"),
        (["prune", "model.npz", "-o", "p", "--score", "luck"], "`--score` must be one of magnitude"),
        (["prune", "model.npz", "-o", "p", "--direction", "up"], "`--direction` must be one of auto"),
        (
            ["prune", "model.npz", "-o", "p", "--lengths", "4"],
            "`--lengths` belongs to methods vector and block",
        ),
        (["prune", "model.npz", "-o", "p", "--method", "vector", "--lengths", "6"], "power of two, not 6"),
        (["prune", "model.npz", "-o", "p", "--method", "block", "--contiguous"], "`--contiguous` belongs to"),
        (["prune", "model.npz", "-o", "p", "--metadata-bits", "-1"], "`--metadata-bits` must be"),
        (["prune", "model.npz", "-o", "p", "--metadata-bits", "0.01"], "layer a: `metadata_bits`"),
        (["prune", "model.npz", "-o", "p", "--lanes", "3"], "`lanes` must be a power of two"),
        (["prune", "model.npz", "-o", "p", "--lanes", "2", "--arch", "tiny"], "give one or the other"),
        (["prune", "model.npz", "-o", "model.npz"], "exists and is not a folder"),
        (["prune", "model.npz", "-o", "no/such/p"], "output no/such/p cannot be written"),
        (["prune", "model.npz"], "Missing option '-o'"),
        (["prune", "nan.npy", "-o", "p"], "finite"),
        (["prune", "text.npz", "-o", "p"], "text.npz"),
        (["pack", "absent", "--arch", "tiny", "-o", "f.mxv"], "absent is not a folder"),
        (["pack", "empty", "--arch", "tiny", "-o", "f.mxv"], "manifest.json"),
        (["pack", "pruned", "--arch", "absent.json", "-o", "f.mxv"], "absent.json is neither"),
        (["pack", "pruned", "--arch", "bad.json", "-o", "f.mxv"], "line 1 is not JSON"),
        (["pack", "pruned", "--arch", "odd.json", "-o", "f.mxv"], "`lanes` must be a power of two"),
        (["pack", "pruned", "--arch", "tiny", "-o", "empty"], "output empty exists and is not a file"),
        (["inspect", "absent.mxv"], "file absent.mxv cannot be read: no such file"),
        (["inspect", "empty"], "file empty cannot be read"),
        (["inspect", "text.npz"], "text.npz is not an intact packed file"),
        (["unpack", "cut.mxv", "-o", "w.npz"], "cut.mxv is not an intact packed file"),
        (["sim", "flipped.mxv"], "flipped.mxv is not an intact packed file"),
        (["sim", "file.mxv", "--layer", "c"], "`--layer` c is not in the file, which holds a, b"),
        (["sim", "file.mxv", "--simulator", "spice"], "`--simulator` must be one of verilator, icarus"),
        (["sim", "file.mxv", "--tokens", "0"], "--tokens"),
        (["sim", "file.mxv", "--activations", "half.npz"], "lacks activations of layer b"),
        (["sim", "file.mxv", "--activations", "floats.npz"], "must be integers, not float64"),
        (["sim", "file.mxv", "--activations", "wide.npz"], "must lie in -128 to 127, not 300 to 300"),
        (["sim", "file.mxv", "--activations", "flat.npz"], "must be 20 x N"),
        (["sim", "file.mxv", "--activations", "good.npz", "--tokens", "9"], "fewer than `--tokens` 9"),
        (["sim", "file.mxv", "--activations", "nan.npy"], "must be an .npz archive"),
        (["estimate", "file.mxv", "--arch", "odd.json"], "`lanes` must be a power of two"),
        (["rtl", "huge", "-o", "t.v"], "neither a readable file nor a preset"),
        (["rtl", "tiny", "-o", "t.json"], "must end in .v"),
        (["demo", "--layer", "99", "-o", "d"], "`--layer` must be one of 0 to 5, not 99"),
        (["demo", "--sparsity", "80", "-o", "d"], "`--sparsity` must be from 0 to 1, not 80"),
        (["demo", "--tokens", "99999", "-o", "d"], "fewer than 99999"),
        (["fly"], "fly"),
        (["inspect"], "Missing argument"),
        (["inspect", "file.mxv", "--loud"], "--loud"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path,
    small_model: SmallModel,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_model.folder, tmp_path, dirs_exist_ok=True)
    write_bad_files(small_model.packed.read_bytes())
    before = sorted(Path().rglob("*"))

    status, out, err = run(*arguments)

    assert status == 2
    assert out == ""
    assert is_one_sentence(err), err
    assert said in err
    assert sorted(Path().rglob("*")) == before


def write_bad_files(good: bytes) -> None:
    """Damaged and unfitting inputs in the working folder."""
    Path("empty").mkdir()
    Path("text.npz").write_text("not an archive")
    Path("bad.json").write_text("{")
    Path("odd.json").write_text('{"clusters": 1, "lanes": 3, "tokens": 1}')
    Path("cut.mxv").write_bytes(good[: len(good) // 2])
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    Path("flipped.mxv").write_bytes(bytes(flipped))
    np.save("nan.npy", np.full((4, 4), np.nan, np.float32))
    both = {"a": np.ones((20, 3), np.int8), "b": np.ones((13, 3), np.int8)}
    write_arrays(Path("good.npz"), both)
    write_arrays(Path("half.npz"), {"a": both["a"]})
    write_arrays(Path("floats.npz"), {name: array.astype(float) for name, array in both.items()})
    write_arrays(Path("wide.npz"), {name: array.astype(int) * 300 for name, array in both.items()})
    write_arrays(Path("flat.npz"), {name: array.ravel() for name, array in both.items()})
