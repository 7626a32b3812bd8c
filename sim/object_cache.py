"""Compiler call that keeps the object files of Verilator's runtime: every model would compile the same ones.

Run as ``python object_cache.py LIBRARY COMPILER ARGUMENT...``, which is what a model's makefile does where
``ccache`` is not installed. The runtime depends on no model, and is most of what a small one takes to build.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["compile_cached"]


def compile_cached(library: Path, command: Sequence[str]) -> int:
    """Run a compiler's ``command``, or copy what the same one left in ``library``; return its exit status.

    Only the runtime's own sources are kept, ``verilated*.cpp``: they include headers of their own version
    alone, so the command line, which names its folder and all flags, says everything about the result.
    """
    source, output = Path(command[-1]), command[command.index("-o") + 1] if "-o" in command else ""
    if not (source.match("include/verilated*.cpp") and output):
        return subprocess.run(command, check=False).returncode
    text = hashlib.sha256(source.read_bytes()).hexdigest()
    key = hashlib.sha256("\0".join([*command, text]).encode()).hexdigest()[:24]
    kept = library / f"{key}.o"
    if kept.is_file():
        shutil.copyfile(kept, output)
        return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        library.mkdir(parents=True, exist_ok=True)
        # At once or not at all, however many models are built side by side.
        handle, name = tempfile.mkstemp(prefix=f".{key}.", dir=library)
        with os.fdopen(handle, "wb") as copy:
            copy.write(Path(output).read_bytes())
        Path(name).replace(kept)
    return status


if __name__ == "__main__":
    sys.exit(compile_cached(Path(sys.argv[1]), sys.argv[2:]))
