"""README.md and docs/: Python runs as it stands, but for sizes and places; commands and options exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from codesign.cli import app
from tests.tiny_language import tiny_model, tiny_task

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
WITH_ANSWER = re.compile(r"```python\n(.*?)```\n.*?```text\n(.*?)```\n", re.DOTALL)

SMALLER = {"kept=157_286": "kept=6_000", "steps=500": "steps=8"}
"""What would take minutes with a model of the reader's."""
ELSEWHERE = {'load("ulx3s"), 0.8': 'load("tiny"), 0.8', 'backend="rtl"': 'backend="estimate"'}
"""A simulator of 128 PEs takes minutes to compile."""


def blocks(name: str) -> list[str]:
    """Python blocks of a page."""
    return BLOCK.findall((ROOT / name).read_text())


def run_blocks(sources: list[str], changes: dict[str, str]) -> dict[str, Any]:
    """Run blocks one after the other, with what a reader has: a model, its task, and inputs."""
    space: dict[str, Any] = {}
    tokens = {"input_ids": torch.arange(8)[None]}
    for source in sources:
        space |= {"model": tiny_model(), "task": tiny_task(), "inputs": tokens, "calibration": [tokens]}
        for old, new in changes.items():
            source = source.replace(old, new)
        exec(compile(source, "documentation", "exec"), space)
    return space


def test_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    sources = blocks("README.md")
    assert all(sum(old in source for source in sources) == 1 for old in SMALLER)

    space = run_blocks(sources, SMALLER)

    said = capsys.readouterr().out
    assert "perplexity" in said and "'cycles':" in said
    assert "module mixvec" in space["verilog"] and space["packed"].kept > 0


def test_the_page_on_whole_models_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, board = blocks("docs/whole_models.md")
    assert all(old in whole for old in ELSEWHERE)
    monkeypatch.chdir(tmp_path)

    run_blocks([whole], ELSEWHERE)

    assert "'milliseconds':" in capsys.readouterr().out
    assert (tmp_path / "model.mxv").stat().st_size > 0
    # Its port is no file here; tests/test_whole.py has one.
    compile(board, "documentation", "exec")


def test_the_example_of_records_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    ((source, answer),) = WITH_ANSWER.findall((ROOT / "docs" / "format.md").read_text())

    run_blocks([source], {})

    assert capsys.readouterr().out == answer


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*.py"))]
CALL = re.compile(r"(?:^ {4}(?:\$ )?|`)mixvec ((?:[^`\n\\]|\\\n)+)", re.MULTILINE)
SCRIPT = re.compile(r"python (?:-m ((?:benchmarks|codesign|sim)[.\w]*)|(examples/\w+\.py))")


def known_options() -> dict[str, set[str]]:
    """Options of every command, by its name."""
    group: Any = typer.main.get_command(app)
    return {
        name: {"--help"} | {one for its in command.params for one in (*its.opts, *its.secondary_opts)}
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_and_options_exist(page: Path) -> None:
    known, text = known_options(), page.read_text()
    for call in CALL.findall(text):
        command, *words = call.replace("\\\n", " ").split()
        given = {word.rstrip(",;:)").split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert command == "COMMAND" or given <= known[command], call
    for module, script in SCRIPT.findall(text):
        path = ROOT / (script or module.replace(".", "/"))
        assert path.is_file() or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), path


def test_documented_calls_are_found() -> None:
    """The two expressions above find what they are for."""
    text = "".join(page.read_text() for page in PAGES)
    commands = {call.split()[0] for call in CALL.findall(text)}

    assert commands - {"COMMAND"} == set(known_options())
    assert len(SCRIPT.findall(text)) > 50
