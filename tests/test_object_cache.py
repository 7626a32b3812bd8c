"""The compiler call that keeps the objects of Verilator's runtime."""

import stat
import sys
from pathlib import Path

import pytest

from sim.object_cache import compile_cached


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    """A compiler that writes its arguments and notes every call; it refuses a source that says so."""
    script = tmp_path / "compiler"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys, pathlib\n"
        "here, arguments = pathlib.Path(__file__).parent, sys.argv[1:]\n"
        "with (here / 'calls').open('a') as calls: calls.write('call\\n')\n"
        "if 'refuse' in pathlib.Path(arguments[-1]).read_text(): sys.exit(3)\n"
        "pathlib.Path(arguments[arguments.index('-o') + 1]).write_text(' '.join(arguments[:1]))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def compile_once(compiler: Path, source: Path, flag: str) -> tuple[int, str]:
    """Compile; return the exit status and what the object file then holds."""
    output = source.with_name("out.o")
    output.unlink(missing_ok=True)
    command = [str(compiler), flag, "-o", str(output), str(source)]
    status = compile_cached(compiler.with_name("library"), command)
    return status, output.read_text() if output.exists() else ""


def calls(compiler: Path) -> int:
    """How often the compiler ran."""
    return len(compiler.with_name("calls").read_text().splitlines())


def runtime_source(compiler: Path, text: str, name: str = "verilated_x.cpp") -> Path:
    """Write a source where Verilator has its own."""
    source = compiler.parent / "include" / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    return source


def test_the_same_call_compiles_once(compiler: Path) -> None:
    source = runtime_source(compiler, "int a;")

    assert [compile_once(compiler, source, "-O2") for _ in range(3)] == [(0, "-O2")] * 3
    assert calls(compiler) == 1


def test_other_flags_and_another_text_compile_again(compiler: Path) -> None:
    source = runtime_source(compiler, "int a;")
    compile_once(compiler, source, "-O2")

    assert compile_once(compiler, source, "-O1") == (0, "-O1")
    assert compile_once(compiler, runtime_source(compiler, "int b;"), "-O2") == (0, "-O2")
    assert calls(compiler) == 3


def test_a_model_and_a_failure_are_not_kept(compiler: Path) -> None:
    model = runtime_source(compiler, "int a;", "Vtop.cpp")
    refused = runtime_source(compiler, "refuse")

    assert [compile_once(compiler, model, "-O2")[0] for _ in range(2)] == [0, 0]
    assert [compile_once(compiler, refused, "-O2") for _ in range(2)] == [(3, "")] * 2
    assert calls(compiler) == 4
