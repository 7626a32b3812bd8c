"""One quantized matrix, ready to be scheduled and packed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from spec.errors import ConfigError
from sw.outputs import OutputParameters
from sw.quantize import check_smoothing, scale_codes

__all__ = ["QuantizedLayer", "grouped_index"]


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A pruned integer matrix with its direction, its grouping and its scales.

    Parameters
    ----------
    name : str
    weights : ndarray of int8, shape (M, K)
        Original order; 0 where pruned.
    mask : ndarray of bool, shape (M, K)
        Original order; True where kept. A group is stored when any of its weights is kept.
    direction : Direction
    order : ndarray of int, shape (M,) if vertical, (K,) if horizontal
        Grouping: ``order[i]`` is the original index of grouped output or input ``i``.
    scales : ndarray of float32, shape (M,)
        Original order; every scale is one of ``spec.scale``, with one base for all.
    outputs : OutputParameters, optional
        In original order: the layer answers with codes instead of psums.
    smoothing : ndarray of int8, shape (K,), optional
        Original order: the exponents of ``sw.input_quantizer.InputQuantizer`` that ``weights`` are folded
        with.

    Raises
    ------
    ConfigError
        If shapes, types or values do not fit together.
    """

    name: str
    weights: NDArray[np.int8]
    mask: NDArray[np.bool_]
    direction: Direction
    order: NDArray[np.int64]
    scales: NDArray[np.float32]
    outputs: OutputParameters | None = None
    smoothing: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        say = f"layer {self.name}:"
        if self.weights.ndim != 2 or 0 in self.weights.shape or self.weights.dtype != np.int8:
            raise ConfigError(
                f"{say} weights must be a non-empty 2-D int8 array, not {self.weights.dtype} of shape "
                f"{self.weights.shape}"
            )
        if self.mask.shape != self.weights.shape or self.mask.dtype != np.bool_:
            raise ConfigError(
                f"{say} the mask must be a bool array of shape {self.weights.shape}, not {self.mask.dtype} "
                f"of shape {self.mask.shape}"
            )
        if np.any(self.weights[~self.mask]):
            raise ConfigError(f"{say} weights must be 0 where the mask is False")
        permuted = self.rows if self.direction is Direction.VERTICAL else self.cols
        if (
            self.order.shape != (permuted,)
            or not np.issubdtype(self.order.dtype, np.integer)
            or not np.array_equal(np.sort(self.order), np.arange(permuted))
        ):
            raise ConfigError(f"{say} the order must be a permutation of 0 to {permuted - 1}")
        if self.scales.shape != (self.rows,) or self.scales.dtype != np.float32:
            raise ConfigError(
                f"{say} scales must be {self.rows} float32 numbers, not {self.scales.dtype} of shape "
                f"{self.scales.shape}"
            )
        if scale_codes(self.scales) is None:
            raise ConfigError(f"{say} scales must be powers of 2 ** (1 / 16) within 16 octaves of each other")
        if self.smoothing is not None:
            check_smoothing(self.smoothing, self.cols, f"layer {self.name}")

    @property
    def rows(self) -> int:
        """M, outputs."""
        return int(self.weights.shape[0])

    @property
    def cols(self) -> int:
        """K, inputs."""
        return int(self.weights.shape[1])


def grouped_index(
    direction: Direction, order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], slice] | tuple[slice, NDArray[np.int64]]:
    """Return the index that takes a matrix from original to grouped order.

    Assigning through it goes back: ``original[index] = grouped``.
    """
    return (order, slice(None)) if direction is Direction.VERTICAL else (slice(None), order)
