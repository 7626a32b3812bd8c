"""Fixtures of the command's tests."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

from codesign.cli import main
from codesign.files import write_arrays
from tests.command_runs import Run, SmallModel

# Tests run side by side, and small products lose most of their time to waiting threads.
torch.set_num_threads(1)

# A mutant is killed by the first example that fails: no time goes into a smaller one, and none fails for a
# machine that is busy. Everybody else's examples are left alone.
settings.register_profile(
    "mutants",
    database=None,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """An architecture of the user's own for the regression."""
    parser.addoption(
        "--arch", metavar="ARCH", help="preset or JSON file whose accelerator the regression tests, at length"
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command inside this process."""

    def run_once(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_once


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> SmallModel:
    """Prune and pack the small model once; tests only read it."""
    model = SmallModel(tmp_path_factory.mktemp("model"))
    generator = np.random.default_rng(0)
    arrays = {"a": generator.normal(size=(24, 20)), "b": generator.normal(size=(9, 13))}
    write_arrays(model.source, {name: array.astype(np.float32) for name, array in arrays.items()})
    prune = ["prune", str(model.source), "-o", str(model.pruned), "--arch", "tiny", "--sparsity", "0.7"]
    assert main(prune) == 0
    assert main(["pack", str(model.pruned), "--arch", "tiny", "-o", str(model.packed)]) == 0
    return model


@pytest.fixture
def model(small_model: SmallModel) -> Path:
    """The small model's matrices."""
    return small_model.source


@pytest.fixture
def pruned(small_model: SmallModel) -> Path:
    """The small model as `prune` left it."""
    return small_model.pruned


@pytest.fixture
def packed(small_model: SmallModel) -> Path:
    """The small model as `pack` left it."""
    return small_model.packed
