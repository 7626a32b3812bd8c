"""Compiler call that keeps what every model would compile again: objects and headers of Verilator's runtime.

Run as ``python object_cache.py LIBRARY COMPILER ARGUMENT...``, which is what a model's makefile does where
``ccache`` is not installed. The runtime depends on no model, and is most of what a small one takes to build:
its sources, and its headers in the two files that are left.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["compile_cached"]

_HEADERS = ("verilated.h", "verilated_vpi.h")
_SOURCES = (".c", ".cpp", ".h", ".hpp")
_NOT_FOR_HEADERS = ("-c", "-MMD", "-I.")


def compile_cached(library: Path, command: Sequence[str]) -> int:
    """Run a compiler's ``command`` with what ``library`` has of it already; return its exit status.

    The runtime's own sources, ``verilated*.cpp``, are kept as objects: they include headers of their own
    version alone, so the command line, which names its folder and all flags, says everything about the
    result, but for macros that no file of the runtime mentions. Other sources get the runtime's headers
    precompiled, which gives the same object; a compiler that cannot do that compiles as ever. Who asks for
    what another process compiles waits for it.
    """
    source = Path(command[-1])
    if "-o" not in command or source.suffix != ".cpp":
        return _run(command)
    if source.match("include/verilated*.cpp"):
        return _compile_runtime(library, command, source)
    # A model of several files has headers of its own precompiled, and a compiler takes one such file.
    header = None if "-include" in command else _precompiled(library, command)
    return _run(command if header is None else [command[0], "-include", str(header), *command[1:]])


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, check=False).returncode


def _compile_runtime(library: Path, command: Sequence[str], source: Path) -> int:
    """Compile a source of the runtime, or copy its object."""
    at = command.index("-o")
    output, others = Path(command[at + 1]), [*command[:at], *command[at + 2 :]]
    kept = library / f"{_key([*_telling(others, source.parent), source.read_text()])}.o"
    with _locked(kept):
        if not kept.is_file():
            status = _run(command)
            if status == 0:
                _keep(kept, output.read_bytes())
            return status
    shutil.copyfile(kept, output)
    return 0


def _precompiled(library: Path, command: Sequence[str]) -> Path | None:
    """Return the header whose compiled form fits the flags of ``command``; None if it does not compile."""
    output = command.index("-o")
    flags = [flag for flag in (*command[1:output], *command[output + 2 : -1]) if flag not in _NOT_FOR_HEADERS]
    for folder in [Path(flag[2:]) for flag in flags if flag.startswith("-I")]:
        if (folder / _HEADERS[0]).is_file():
            flags = _telling(flags, folder)
    header = library / f"{_key(sorted([command[0], *flags]))}.h"
    compiled = header.with_suffix(".h.gch")
    with _locked(compiled):
        if compiled.is_file():
            return header
        _keep(header, "".join(f'#include "{name}"\n' for name in _HEADERS).encode())
        with tempfile.TemporaryDirectory(prefix=".headers.", dir=library) as place:
            made = Path(place) / compiled.name
            make = [command[0], *flags, "-x", "c++-header", "-o", str(made), str(header)]
            if subprocess.run(make, check=False, capture_output=True).returncode:
                return None
            made.replace(compiled)
    return header


def _telling(arguments: Sequence[str], runtime: Path) -> list[str]:
    """Leave out definitions of macros that no file in the folder ``runtime`` mentions.

    Models differ in what they define, for their own files: waves, coverage, time.
    """
    text = b"".join(file.read_bytes() for file in sorted(runtime.rglob("*")) if file.suffix in _SOURCES)
    return [one for one in arguments if not one.startswith("-D") or _macro(one).encode() in text]


def _macro(definition: str) -> str:
    return definition.removeprefix("-D").partition("=")[0]


def _key(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _keep(place: Path, data: bytes) -> None:
    """Write a file at once or not at all, however many models are built side by side."""
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    with os.fdopen(handle, "wb") as copy:
        copy.write(data)
    Path(name).replace(place)


@contextmanager
def _locked(kept: Path) -> Iterator[None]:
    """Hold a place in the library against other processes that want to fill it.

    Written out here, since this file runs alone, without the package around it.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(compile_cached(Path(sys.argv[1]), sys.argv[2:]))
