"""Resources and clock rate of architectures that were not placed and routed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codesign.exploration.cost import Cost
from codesign.exploration.routed import RoutedDesign, load_routed
from hw.resources import block_memories, ecp5_memory_blocks, multipliers
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["CostErrors", "CostModel", "held_out_errors", "shipped_cost_model"]

Floats = NDArray[np.float64]

_BLOCK_RAM_BITS: Final = 18 * 1024


@dataclass(frozen=True)
class CostErrors:
    """Relative errors on designs that the model was not fitted to, each left out in turn.

    Parameters
    ----------
    designs : int
    luts, ffs, fmax : float
        Medians.
    luts_most, fmax_most : float
        Largest.
    """

    designs: int
    luts: float
    ffs: float
    fmax: float
    luts_most: float
    fmax_most: float


class CostModel:
    """Fitted to designs that were placed and routed.

    LUT4 and registers are sums of what the structure repeats, each part at a price that is not negative:
    per core, per bit of the stream, per cluster, per bit of the stream in every cluster, per bit of a psum in
    every column, and per bit of a psum in every PE. The clock rate falls linearly with the logarithms of PEs,
    clusters and stream width, but not below half of the lowest that was routed.

    Parameters
    ----------
    designs : sequence of RoutedDesign

    Raises
    ------
    ConfigError
        If there are too few designs to fit.
    """

    def __init__(self, designs: Sequence[RoutedDesign]) -> None:
        features = len(_structure(ArchConfig(clusters=1, lanes=1, tokens=1)))
        if len(designs) <= features:
            raise ConfigError(
                f"the cost model needs more than {features} routed designs, not {len(designs)}; run "
                f"`python -m benchmarks.route_sweep`"
            )
        self._luts = _fit_prices(designs, lambda design: design.luts)
        self._ffs = _fit_prices(designs, lambda design: design.ffs)
        rows = np.array([_scale(design.arch) for design in designs])
        rates = np.array([design.fmax_mhz for design in designs])
        self._fmax: Floats = np.linalg.lstsq(rows, rates)[0]
        self._slowest = float(rates.min())

    def cost(self, arch: ArchConfig) -> Cost:
        """Return what ``arch`` costs."""
        structure = _structure(arch)
        return Cost(
            luts=float(structure @ self._luts),
            ffs=float(structure @ self._ffs),
            dsps=multipliers(arch),
            brams=_block_rams(arch),
            # Far from what was routed the line may fall to nothing, which no design does.
            fmax_mhz=max(float(_scale(arch) @ self._fmax), self._slowest / 2),
        )


def held_out_errors(designs: Sequence[RoutedDesign]) -> CostErrors:
    """Return the errors on every design of a model fitted to the others."""
    luts, ffs, fmax = [], [], []
    for index, design in enumerate(designs):
        cost = CostModel([*designs[:index], *designs[index + 1 :]]).cost(design.arch)
        luts.append(abs(cost.luts / design.luts - 1))
        ffs.append(abs(cost.ffs / design.ffs - 1))
        fmax.append(abs(cost.fmax_mhz / design.fmax_mhz - 1))
    return CostErrors(
        len(designs),
        luts=float(np.median(luts)),
        ffs=float(np.median(ffs)),
        fmax=float(np.median(fmax)),
        luts_most=max(luts),
        fmax_most=max(fmax),
    )


@lru_cache(maxsize=1)
def shipped_cost_model() -> tuple[CostModel, CostErrors]:
    """Return the model fitted to the designs that ship with the package, and its errors."""
    designs = load_routed()
    return CostModel(designs), held_out_errors(designs)


def _structure(arch: ArchConfig) -> Floats:
    """How often each part of the structure is there."""
    columns = arch.clusters * arch.tokens
    return np.array(
        [
            1,
            arch.stream_width,
            arch.clusters,
            arch.clusters * arch.stream_width,
            columns * arch.psum_width,
            arch.pes * arch.psum_width,
        ],
        np.float64,
    )


def _scale(arch: ArchConfig) -> Floats:
    """What the clock rate falls with."""
    logarithms = (math.log2(size) for size in (arch.pes, arch.clusters, arch.stream_width))
    return np.array([1, *logarithms], np.float64)


def _fit_prices(designs: Sequence[RoutedDesign], measured: Callable[[RoutedDesign], int]) -> Floats:
    """Least squares of relative errors; parts whose price would be negative are free."""
    wanted = np.array([measured(design) for design in designs], np.float64)
    rows = np.array([_structure(design.arch) for design in designs]) / wanted[:, None]
    prices = np.zeros(rows.shape[1])
    used = np.ones(rows.shape[1], np.bool_)
    while True:
        found: NDArray[Any] = np.linalg.lstsq(rows[:, used], np.ones(len(wanted)))[0]
        if np.all(found >= 0):
            prices[used] = found
            return prices
        used[np.flatnonzero(used)[int(found.argmin())]] = False


def _block_rams(arch: ArchConfig) -> int:
    """Block RAMs, exact where no memory is deeper than one."""
    exact = ecp5_memory_blocks(arch)
    if exact is not None:
        return exact
    return sum(
        count * -(-size.width * size.depth // _BLOCK_RAM_BITS) for size, count in block_memories(arch).items()
    )
