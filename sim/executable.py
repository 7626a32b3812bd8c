"""A design compiled together with a C++ program of its own, without cocotb."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from sim.errors import SimulatorError
from sim.model_cache import BUILD_LOG, cache_folder, digest, keep_only, log_tail, made_once
from sim.verilator import (
    COMPILE_JOBS,
    MODULES,
    PROGRAM_EFFORT,
    check_folder,
    check_tools,
    make_variables,
    prepare_environment,
    program_options,
    verilator_program,
)

__all__ = ["build_executable"]


def build_executable(
    verilog: str, *, top: str, sources: Sequence[Path], parameters: Mapping[str, int] | None = None
) -> Path:
    """Compile a design and its main program, or find them compiled; return the program.

    Parameters
    ----------
    verilog : str
    top : str
        Name of the top module.
    sources : sequence of Path
        C++ of the main program, which includes ``Vtop.h``, and Verilog besides.
    parameters : mapping, optional
        Of the top module.

    Raises
    ------
    SimulatorError
        If a tool is missing, something does not compile, or there is no room for it.
    """
    texts = {source.name: source.read_text() for source in sources}
    chosen = [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    chosen += program_options(verilog)
    facts = [top, verilog, *texts.values(), *chosen, MODULES, version("verilator")]
    key = digest(facts)
    folder = (cache_folder() / "models" / key).absolute()
    check_folder(folder)

    def make(place: Path) -> None:
        check_tools()
        for name, text in {"design.v": verilog, "modules.vlt": MODULES, **texts}.items():
            (place / name).write_text(text)
        environment = dict(os.environ)
        prepare_environment(environment)
        verilate = [str(verilator_program()), "--cc", "--exe", "-Mdir", ".", "--prefix", "Vtop", "-o", top]
        verilate += ["--top-module", top, *chosen, "modules.vlt", "design.v", *texts]
        compile_all = ["make", "-j", str(COMPILE_JOBS), "-f", "Vtop.mk", *make_variables(PROGRAM_EFFORT)]
        log = place / BUILD_LOG
        with log.open("w") as output:
            for command in (verilate, compile_all):
                done = subprocess.run(
                    command,
                    cwd=place,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
                if done.returncode:
                    output.flush()
                    raise SimulatorError(f"verilator does not build `{top}`:\n{log_tail(log)}")
        keep_only(place, {top})

    made_once(folder, key, make)
    return folder / top
