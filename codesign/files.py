"""Files in and out of the command: readable or refused in one sentence, complete or not written at all."""

import errno
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spec.errors import ConfigError, FormatError
from spec.packet import Stored

__all__ = ["map_file", "output_file", "output_folder", "read_arrays", "read_bytes", "write_arrays"]

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"file {path} cannot be read: {_reason(error)}; check the path") from None


def map_file(path: Path) -> Stored:
    """Return the bytes of a file, mapped into memory: read when they are needed, dropped when others are.

    The file may be replaced meanwhile, as ``output_file`` does, but not be cut off where it stands.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    # An empty file, a pipe and a folder cannot be mapped; what they are is said where they are read.
    except (OSError, ValueError):
        return read_bytes(path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file by name.

    Raises
    ------
    ConfigError
        If it cannot be read.
    FormatError
        If it is not an archive of plain arrays.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise FormatError(f"file {path} must be an .npz archive of arrays by name, not one array")
            return {name: archive[name] for name in archive.files}
    except FormatError:
        raise
    except OSError as error:
        raise ConfigError(f"file {path} cannot be read: {_reason(error)}; check the path") from None
    # Damage shows as whatever numpy or zipfile meets first.
    except Exception:
        raise FormatError(f"file {path} must be an .npz archive of plain arrays; write it again") from None


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` file; the same arrays give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path``; what is written there takes its place, unless an error comes first.

    Raises
    ------
    ConfigError
        Before anything is computed, if ``path`` cannot be written; afterwards, if there is no room.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ConfigError(f"output {path} exists and is not a file; choose another name")
    part = target.with_name(f".part-{os.getpid()}-{target.name}")
    try:
        part.touch()
    except (OSError, ValueError) as error:
        raise ConfigError(f"output {path} cannot be written: {_reason(error)}; choose another") from None
    try:
        yield part
        os.replace(part, target)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise ConfigError(
            f"output {path} cannot be written: {_reason(error)}; make room, or choose another"
        ) from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside ``path``; its files move to ``path`` at the end, unless an error comes first.

    Files of other names that ``path`` holds already stay.

    Raises
    ------
    ConfigError
        Before anything is computed, if ``path`` cannot be a folder.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise ConfigError(f"output {path} exists and is not a folder; choose another name")
    part = target.with_name(f".part-{os.getpid()}-{target.name}")
    try:
        part.mkdir()
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except (OSError, ValueError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ConfigError(f"output {path} cannot be written: {_reason(error)}; choose another") from None
    try:
        yield part
        if target.exists():
            for file in sorted(part.iterdir()):
                os.replace(file, target / file.name)
        else:
            os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _reason(error: Exception) -> str:
    """Reason of an operating system error, without its path."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
