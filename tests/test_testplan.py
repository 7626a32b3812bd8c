"""Every testpoint of the plan names tests, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(?P<file>(?:tests|sim)/\w+\.py)::(?P<name>\w+)`")


@cache
def functions(file: str) -> frozenset[str]:
    """Functions at the top level of a file, tests and testbenches among them; none if there is no file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text()).body
    return frozenset(one.name for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def rows(text: str) -> list[str]:
    """Lines of the plan's tables that are testpoints."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if line != "| testpoint | tests |" and not line.startswith("|---")]


def complaints(text: str) -> list[str]:
    """What is wrong with a plan, in sentences."""
    found = []
    for row in rows(text):
        point, _, tests = row.strip("| ").partition(" | ")
        named = NAMED.findall(tests)
        if NAMED.sub("", tests).strip(", "):
            found.append(f"{point}: holds more than names of tests")
        if not any(file.startswith("tests/") and name.startswith("test_") for file, name in named):
            found.append(f"{point}: names no test")
        found += [f"{point}: {file} has no {name}" for file, name in named if name not in functions(file)]
    return found


def test_every_testpoint_names_tests_that_are_there() -> None:
    text = (ROOT / "docs/testplan.md").read_text()

    assert len(rows(text)) > 40
    assert complaints(text) == []


def test_a_missing_test_and_a_testpoint_without_one_are_seen() -> None:
    here = "tests/test_testplan.py::test_a_missing_test_and_a_testpoint_without_one_are_seen"
    plan = (
        "| testpoint | tests |\n|---|---|\n"
        f"| good | `{here}` |\n"
        "| nothing |  |\n"
        "| a bench alone | `sim/cocotb_stream.py::stream` |\n"
        f"| gone | `{here}`, `{here}_2` |\n"
        f"| no file | `{here}`, `tests/test_nowhere.py::test_it` |\n"
        f"| words | `{here}` and more |\n"
    )

    assert complaints(plan) == [
        "nothing: names no test",
        "a bench alone: names no test",
        "gone: tests/test_testplan.py has no test_a_missing_test_and_a_testpoint_without_one_are_seen_2",
        "no file: tests/test_nowhere.py has no test_it",
        "words: holds more than names of tests",
    ]
