"""Compiled models on disk: each made once, found again by what it was made from."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sim.errors import SimulatorError

__all__ = ["BUILD_LOG", "cache_folder", "digest", "keep_only", "log_tail", "made_once"]

BUILD_LOG: Final = "build.log"
_COMPLETE: Final = "complete"
_LOG_LINES: Final = 40


def cache_folder() -> Path:
    """Return the folder of compiled models: ``MIXVEC_CACHE``, else ``mixvec`` in the user's cache."""
    if chosen := os.environ.get("MIXVEC_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mixvec"


def digest(facts: Iterable[str]) -> str:
    """Return a short hash of everything that a model depends on."""
    found = hashlib.sha256()
    for fact in facts:
        found.update(hashlib.sha256(fact.encode()).digest())
    return found.hexdigest()[:24]


def made_once(folder: Path, key: str, make: Callable[[Path], None]) -> None:
    """Let ``make`` fill ``folder``, emptied before, unless it did so for the same ``key``.

    Two processes that ask for the same folder wait for each other. What an interrupted ``make`` left is
    thrown away the next time.

    Raises
    ------
    SimulatorError
        If the folder cannot be written; whatever ``make`` raises besides.
    """
    try:
        with _locked(folder):
            stamp = folder / _COMPLETE
            if stamp.is_file() and stamp.read_text() == key:
                return
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            stamp.write_text(key)
    except OSError as error:
        raise SimulatorError(
            f"the simulator cannot be kept in {folder}: {error.strerror or error}; free space there, or set "
            f"MIXVEC_CACHE to another folder"
        ) from None


def keep_only(folder: Path, wanted: Collection[str]) -> None:
    """Delete what only the compilation needed: ten times the size of the model."""
    for file in folder.iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.name not in wanted and file.name != BUILD_LOG and file.suffix != ".v":
            file.unlink()


def log_tail(log: Path) -> str:
    """Return the last lines of a log."""
    if not log.is_file():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that ask for the same build."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
