"""The examples run and say what their texts promise."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from codesign.files import write_arrays

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run_example(name: str, *arguments: object, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_own_matrix_goes_from_a_file_to_verilog(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.random.default_rng(1).normal(size=(48, 40)).astype(np.float32))

    printed = run_example("own_matrix.py", "mine.npy", "--arch", "tiny", "-o", "out.v", folder=tmp_path)

    assert "mine: 48 x 40, 384 weights kept" in printed
    assert "equal NumPy's: True" in printed
    assert (tmp_path / "out.v").read_text().startswith("// mixvec accelerator: C=1 L=2 T=2, 4 PEs")


@pytest.mark.slow
def test_patterns_are_compared(tmp_path: Path) -> None:
    printed = run_example(
        "compare_patterns.py", "--layers", 0, "--parts", "attention_output", folder=tmp_path
    )

    lines = {
        line.split("|")[1].strip(): line.split("|")[2:-1] for line in printed.splitlines() if "|" in line
    }
    retained = {
        name: float(cells[0]) for name, cells in lines.items() if cells[0].strip().startswith(("0.", "1."))
    }
    assert retained["fine-grained"] == 1
    assert retained["vectors of 4"] > retained["vectors of 8"] > retained["vectors of 16"]
    assert retained["mixed vectors, 0.90 bits"] > retained["mixed vectors, 0.60 bits"]
    assert retained["mixed vectors, 0.60 bits"] > retained["mixed, strict form, 0.60 bits"]
    assert "not met" not in printed


@pytest.mark.slow
def test_one_column_takes_few_cycles_and_is_exact(tmp_path: Path) -> None:
    printed = run_example("one_column.py", folder=tmp_path)

    assert printed.count("384 of 384 equal PyTorch's integer matmul") == 2
    for line in printed.splitlines():
        if line.startswith("  compute cycles"):
            _, _, _, rtl, _, _, model = line.split()
            assert rtl == model
            assert int(rtl.replace(",", "")) <= 2300


@pytest.mark.slow
def test_every_number_format_is_exact(tmp_path: Path) -> None:
    printed = run_example("number_formats.py", "--tokens", 8, folder=tmp_path)

    lines = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("| ")][1:]
    assert [(int(cells[0]), int(cells[1])) for cells in lines] == [
        (w, a) for w in (2, 3, 4, 8) for a in (4, 8)
    ]
    assert {cells[-1].strip() for cells in lines} == {"0 of 3,072"}
    # What a kept weight takes besides its own bits hardly depends on them.
    beside = [float(cells[3]) - int(cells[0]) for cells in lines]
    assert min(beside) > 1 and max(beside) < min(beside) + 0.02


def test_the_fastest_design_of_every_size_is_listed(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    arrays = {name: generator.normal(size=(64, 64)).astype(np.float32) for name in ("a", "b")}
    write_arrays(tmp_path / "model.npz", arrays)
    printed = run_example("explore_minilm.py", "model.npz", folder=tmp_path, MIXVEC_CACHE=str(tmp_path))

    rows = {line.split("|")[1].strip(): line.split("|")[2:5] for line in printed.splitlines()[2:]}
    assert list(rows) == ["8", "16", "32", "64", "128", "256", "512"]
    for pes, cells in rows.items():
        for cell in cells:
            if cell.strip() != "-":
                shape = cell.split(":")[0].split()
                assert np.prod([int(part[1:]) for part in shape]) == int(pes)
    assert {cell.strip() for cell in rows["512"]} == {"-"}, "156 multipliers are not enough"
