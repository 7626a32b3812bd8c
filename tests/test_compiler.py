"""Compiled functions on disk: taken from there until what they call, or a constant, has changed."""

import subprocess
import sys
from pathlib import Path

CALLED = """from codesign.compiler import called
from {package}.some_registers import ADDED

@called
def more(number):
    return number + ADDED
"""
OUTER = """from codesign.compiler import compiled
from {package}.inner_kernel import more

@compiled
def answer(number):
    return more(number)
"""


def run(folder: Path) -> tuple[int, int]:
    """What the function returns in a new process, and how often it was found on disk."""
    script = (
        "from kernels.outer_kernel import answer; print(answer(40), sum(answer.stats.cache_hits.values()))"
    )
    environment = {"PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    value, hits = done.stdout.split()
    return int(value), int(hits)


def test_what_is_called_and_constants_count_as_sources(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner_kernel.py").write_text(CALLED.format(package="kernels"))
    (package / "outer_kernel.py").write_text(OUTER.format(package="kernels"))
    (package / "some_registers.py").write_text("ADDED = 2\n")
    assert run(tmp_path) == (42, 0)
    assert run(tmp_path) == (42, 1)
    (package / "some_registers.py").write_text("ADDED = 3\n")
    assert run(tmp_path) == (43, 0)
    (package / "inner_kernel.py").write_text(CALLED.format(package="kernels").replace("+ A", "- A"))
    assert run(tmp_path) == (37, 0)
    (package / "elsewhere.py").touch()
    assert run(tmp_path) == (37, 1)
