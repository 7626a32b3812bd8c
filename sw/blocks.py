"""A matrix as the array sees it: blocks of segments at positions, and back (see ``spec.record``)."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError

__all__ = ["MAX_BLOCKS", "MAX_WEIGHTS", "Blocking"]

MAX_BLOCKS: Final = 1 << 16
"""Blocks that the descriptor's ``block`` field can number."""
MAX_WEIGHTS: Final = 1 << 30
"""Largest matrix, padding included: what one machine's memory holds comfortably."""


@dataclass(frozen=True)
class Blocking:
    """Geometry of one M x K matrix (``rows`` x ``cols``) in grouped order.

    Every matrix below is in grouped order; the permutation is the caller's.
    """

    rows: int
    cols: int
    direction: Direction
    arch: ArchConfig

    def check(self, name: str) -> None:
        """Refuse a matrix larger than a file can describe.

        Raises
        ------
        ConfigError
            If it has too many blocks or weights.
        """
        if self.blocks > MAX_BLOCKS:
            raise ConfigError(
                f"layer {name} has {self.blocks} blocks of {self.arch.segment} outputs, more than "
                f"{MAX_BLOCKS}; raise `segment` or split its outputs over two layers"
            )
        if self.blocks * self.arch.segment * self.positions > MAX_WEIGHTS:
            raise ConfigError(
                f"layer {name} of {self.rows} x {self.cols} exceeds {MAX_WEIGHTS} weights when padded to "
                f"blocks; split it into smaller layers"
            )

    @property
    def blocks(self) -> int:
        """Blocks of B outputs."""
        return -(-self.rows // self.arch.segment)

    @property
    def positions(self) -> int:
        """Positions of every block: K, padded to whole segments if horizontal."""
        if self.direction is Direction.VERTICAL:
            return self.cols
        return -(-self.cols // self.arch.segment) * self.arch.segment

    @property
    def permuted(self) -> int:
        """Outputs (vertical) or inputs (horizontal) that the grouping permutes."""
        return self.rows if self.direction is Direction.VERTICAL else self.cols

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Blocks, positions, groups, lanes."""
        return self.blocks, self.positions, self.arch.groups, self.arch.lanes

    def split(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return ``matrix`` (M x K) as blocks x positions x groups x lanes, zero where padded."""
        size = self.arch.segment
        rows, cols = self.blocks * size, self.positions
        if (rows, cols) != matrix.shape:
            padded = np.zeros((rows, cols), matrix.dtype)
            padded[: self.rows, : self.cols] = matrix
            matrix = padded
        if self.direction is Direction.VERTICAL:
            parts: NDArray[Any] = matrix.reshape(self.blocks, size, cols).transpose(0, 2, 1)
        else:
            parts = matrix.reshape(self.blocks, size, cols // size, size).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(parts).reshape(self.shape)

    def join(self, parts: NDArray[Any]) -> NDArray[Any]:
        """Return the M x K matrix that :meth:`split` turns into ``parts``."""
        size = self.arch.segment
        if self.direction is Direction.VERTICAL:
            matrix: NDArray[Any] = parts.reshape(self.blocks, self.cols, size).transpose(0, 2, 1)
        else:
            matrix = parts.reshape(self.blocks, self.positions // size, size, size).transpose(0, 2, 1, 3)
        whole = matrix.reshape(self.blocks * size, self.positions)
        return np.ascontiguousarray(whole[: self.rows, : self.cols])

    def inside(self) -> NDArray[np.bool_]:
        """Return, as blocks x positions x groups x lanes, which weights lie inside the matrix."""
        return self.split(np.ones((self.rows, self.cols), np.bool_))
