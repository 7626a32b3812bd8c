"""A folder of results found again by what they were computed from."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["Store", "content_key"]


def content_key(**parts: Any) -> str:
    """Return the key of a result: a hash of everything that it depends on, as JSON."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Store:
    """JSON objects by key, one file each.

    Files appear whole or not at all, so processes may share a folder and be killed at any time. A damaged
    entry counts as missing and is written anew. A folder that cannot be written to costs time, not results.

    Parameters
    ----------
    folder : Path
        Made when the first result is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under ``key``, or None."""
        try:
            entry = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(entry, dict) or entry.get("key") != key or not isinstance(entry.get("value"), dict):
            return None
        value: dict[str, Any] = entry["value"]
        return value

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep ``value``; whoever was first with an equal one is replaced."""
        path = self._path(key)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        text = json.dumps({"key": key, "value": value}, allow_nan=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text)
            os.replace(part, path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
