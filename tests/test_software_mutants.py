"""Mutants of software: what mutmut found is read, counted and reviewed by what a mutant changes."""

import subprocess
import sys
from pathlib import Path

import pytest

from codesign.mutation.__main__ import main
from codesign.mutation.software import (
    SoftwareFate,
    SoftwareMutant,
    load_software_reviews,
    read_mutants,
    software_lines,
    software_report,
)
from spec.errors import ConfigError

SOURCE = '''
class Counter:
    """Counts down."""

    def last(self, start):
        while start > 0:
            start = start - 2
        return start


def larger(first, second):
    """Return the larger one."""
    return first if first > second else second


def unused(value):
    return value + 1
'''
TESTS = """
from sw.thing import Counter, larger


def test_counts_down():
    assert Counter().last(8) == 0


def test_larger():
    assert larger(3, 5) == 5 and larger(7, 1) == 7
"""
PROJECT = """
[tool.mutmut]
source_paths = ["sw"]
pytest_add_cli_args_test_selection = ["tests"]
timeout_multiplier = 1.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mutmut makes of a small project."""
    project = tmp_path_factory.mktemp("project")
    for name, text in (("sw/thing.py", SOURCE), ("tests/test_thing.py", TESTS), ("pyproject.toml", PROJECT)):
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (project / "sw/__init__.py").touch()
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project / "mutants"


def test_mutants_are_told_by_function_and_line(folder: Path) -> None:
    fates = {mutant.place: mutant.fate for mutant in read_mutants(folder)}

    subtract, condition = "start = start - 2", "return first if first > second else second"
    assert fates["sw.thing.Counter.last", subtract, "start = start - 3"] is SoftwareFate.FAILED
    assert fates["sw.thing.Counter.last", subtract, "start = start + 2"] is SoftwareFate.TIMEOUT
    assert fates["sw.thing.larger", condition, condition.replace(">", ">=")] is SoftwareFate.SURVIVED
    assert fates["sw.thing.unused", "return value + 1", "return value - 1"] is SoftwareFate.UNTESTED
    assert len(fates) == len(read_mutants(folder))


def mutant(after: str, fate: SoftwareFate) -> SoftwareMutant:
    """A mutant of one line."""
    return SoftwareMutant(f"sw.thing.x_f__mutmut_{after}", "sw.thing.f", "return 0", f"return {after}", fate)


def test_only_a_review_that_no_test_refutes_excuses_a_survivor() -> None:
    mutants = [
        *(mutant(f"{n}", SoftwareFate.FAILED) for n in range(1, 18)),
        mutant("18", SoftwareFate.TIMEOUT),
        mutant("19", SoftwareFate.BREAKDOWN),
        mutant("-0", SoftwareFate.SURVIVED),
        mutant("False", SoftwareFate.SURVIVED),
        mutant("None", SoftwareFate.UNTESTED),
        mutant("[]", SoftwareFate.UNKNOWN),
    ]
    reviews = {("sw.thing.f", "return 0", f"return {after}"): "the same" for after in ("-0", "3", "0.0")}

    found = software_report(mutants, reviews)

    assert (found["mutants"], found["killed"]) == (23, 19)
    assert found["kills"] == {"a test fails": 17, "the tests do not end": 1, "Python breaks down": 1}
    assert found["files"] == {"sw.thing": [19, 23]}
    assert [one["after"] for one in found["equivalent"]] == ["return -0"]
    assert [one["after"] for one in found["survivors"]] == ["return False", "return None", "return []"]
    assert [one["after"] for one in found["refuted"]] == ["return 3"]
    assert found["lapsed"] == [("sw.thing.f", "return 0", "return 0.0")]
    assert found["score"] == 19 / 22
    lines = software_lines(found)
    assert lines[0] == "23 mutants, 19 killed" and lines[-1] == "19 of 22 killed: 86.4%"
    assert (
        "sw.thing.x_f__mutmut_3 was reviewed as equivalent, but a test fails, so the review must go" in lines
    )


def test_the_command_counts_and_asks_for_a_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sw", str(folder)]) == 1
    assert "of sw.thing" not in capsys.readouterr().out
    assert main(["sw", str(tmp_path)]) == 2
    with pytest.raises(ConfigError, match="must hold mutants that were run; run `mutmut run` first"):
        read_mutants(tmp_path)


def test_every_review_gives_a_reason() -> None:
    reviews = load_software_reviews()

    assert all(function.startswith("sw.") and before != after for function, before, after in reviews)
    assert all(len(reason) > 10 for reason in reviews.values())
