"""The compiler call that keeps the objects of Verilator's runtime."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sim.object_cache import compile_cached
from sim.verilator import compiler as compiler_of_models


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


def test_only_macros_that_the_runtime_mentions_compile_it_again(compiler: Path) -> None:
    source = runtime_source(compiler, "int a;")
    runtime_source(compiler, "#if WAVES\nint b;\n#endif\n", "verilated.h")

    for flag in ("-DTIME=0", "-DTIME=1", "-DTIME"):
        assert compile_once(compiler, source, flag) == (0, "-DTIME=0")
    assert compile_once(compiler, source, "-DWAVES=0") == (0, "-DWAVES=0")
    assert compile_once(compiler, source, "-DWAVES=1") == (0, "-DWAVES=1")
    assert calls(compiler) == 3


def test_who_asks_for_what_is_being_compiled_waits_for_it(compiler: Path) -> None:
    slow = compiler.read_text().replace("import sys", "import sys, time\ntime.sleep(0.5)\nimport sys", 1)
    compiler.write_text(slow)
    source = runtime_source(compiler, "int a;")
    outputs = [compiler.with_name(f"{n}.o") for n in range(3)]

    with ThreadPoolExecutor(3) as pool:
        commands = [[str(compiler), "-O2", "-o", str(output), str(source)] for output in outputs]
        done = list(pool.map(partial(compile_cached, compiler.with_name("library")), commands))

    assert done == [0, 0, 0]
    assert [output.read_text() for output in outputs] == ["-O2"] * 3
    assert calls(compiler) == 1


def test_a_model_and_a_failure_are_not_kept(compiler: Path) -> None:
    model = runtime_source(compiler, "int a;", "Vtop.cpp")
    refused = runtime_source(compiler, "refuse")

    assert [compile_once(compiler, model, "-O2") for _ in range(2)] == [(0, "-include")] * 2
    assert [compile_once(compiler, refused, "-O2") for _ in range(2)] == [(3, "")] * 2
    # The headers, the model twice, the refused source twice.
    assert calls(compiler) == 5


def test_headers_are_compiled_once_for_the_same_flags_in_any_order(tmp_path: Path) -> None:
    include, library = tmp_path / "include", tmp_path / "library"
    include.mkdir()
    (include / "verilated.h").write_text("#pragma once\n#include <vector>\nint twice(int x);\n")
    (include / "verilated_vpi.h").write_text('#pragma once\n#include "verilated.h"\n')
    source = tmp_path / "model.cpp"
    source.write_text('#include "verilated.h"\nint twice(int x) { return std::vector<int>(x + x).size(); }\n')
    plain, cached = tmp_path / "plain.o", tmp_path / "cached.o"
    flags = ["-O1", f"-I{include}", "-DWAVES=0"]
    gcc = compiler_of_models()
    subprocess.run([gcc, *flags, "-c", "-o", plain, source], check=True)

    for arguments in (flags, flags[::-1]):
        command = [gcc, *arguments, "-c", "-o", str(cached), str(source)]
        assert compile_cached(library, command) == 0
        assert cached.read_bytes() == plain.read_bytes()
    assert len(list(library.glob("*.h.gch"))) == 1
    # Only a compiled header lets a model compile whose own headers are gone.
    for header in include.iterdir():
        header.write_text("#error gone\n")
    source.write_text("int twice(int x) { return std::vector<int>(x + x).size(); }\n")
    assert compile_cached(library, command) == 0


def test_headers_that_do_not_compile_cost_nothing(tmp_path: Path) -> None:
    source, output = tmp_path / "model.cpp", tmp_path / "model.o"
    source.write_text("int one() { return 1; }\n")

    assert (
        compile_cached(tmp_path / "library", [compiler_of_models(), "-c", "-o", str(output), str(source)])
        == 0
    )
    assert output.stat().st_size > 0
    assert not list((tmp_path / "library").glob("*.gch"))
