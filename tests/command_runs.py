"""Runs of the command, and a small model for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Run", "SmallModel", "is_one_sentence"]

Run = Callable[..., tuple[int, str, str]]
"""Runs the command with some arguments; returns exit status, standard output and standard error."""


@dataclass(frozen=True)
class SmallModel:
    """Two small matrices, pruned and packed for the preset tiny, all in one folder."""

    folder: Path

    @property
    def source(self) -> Path:
        """The matrices."""
        return self.folder / "model.npz"

    @property
    def pruned(self) -> Path:
        """The folder that `prune` wrote."""
        return self.folder / "pruned"

    @property
    def packed(self) -> Path:
        """The file that `pack` wrote."""
        return self.folder / "file.mxv"


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n") and "Traceback" not in text and len(text) > 20
