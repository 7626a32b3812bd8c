"""Pictures for a paper: masks with their direction, lengths of vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import matplotlib
import numpy as np
from numpy.typing import NDArray

from spec.direction import Direction
from sw.baselines import fine_grained_mask
from sw.prune import PrunedMatrix

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STYLE", "MaskPicture", "save_lengths", "save_mask"]

STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 200,
    "svg.hashsalt": "mixvec",
}
_INK: Final = "#1f3a5f"
_ACCENT: Final = "#c8553d"
_WINDOW: Final = 96
"""Rows and columns of a close-up."""


@dataclass(frozen=True, eq=False)
class MaskPicture:
    """What is shown of one matrix.

    Parameters
    ----------
    name : str
    fine : ndarray of bool, shape (M, K)
        The fine-grained mask of the same kept count, on which the direction strength is measured.
    mask : ndarray of bool, shape (M, K)
        The mask of mixed vectors, original order.
    direction : Direction
        Of the vectors.
    order : ndarray of int64
        Grouped index -> original index.
    strengths : mapping of str to (Direction, float)
        By name of the statistic.
    retained : float
        Score kept, relative to ``fine``.
    """

    name: str
    fine: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    direction: Direction
    order: NDArray[np.int64]
    strengths: Mapping[str, tuple[Direction, float]]
    retained: float

    @classmethod
    def of(cls, name: str, scores: NDArray[np.float32], pruned: PrunedMatrix) -> Self:
        """Return the picture of a pruned matrix beside the fine-grained mask of its ``scores``, M x K."""
        fine = fine_grained_mask(scores, kept=pruned.kept)
        strengths = {statistic.value: strength for statistic, strength in pruned.strengths.items()}
        return cls(name, fine, pruned.mask, pruned.direction, pruned.order, strengths, pruned.retained)

    def grouped(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return ``mask`` in grouped order, in which vectors are contiguous."""
        return np.take(mask, self.order, axis=0 if self.direction is Direction.VERTICAL else 1)


def save_mask(picture: MaskPicture, path: Path) -> None:
    """Draw where a matrix keeps weights: its density with profiles, and close-ups of both masks."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(8.6, 5.9), layout="constrained")
        grid = figure.add_gridspec(1, 2, width_ratios=(1.75, 1))
        _draw_density(figure.add_subfigure(grid[0]), picture)
        _draw_close_ups(figure.add_subfigure(grid[1]), picture)
        rows, cols = picture.mask.shape
        strengths = ", ".join(
            f"{name} {strength:.3f} {direction.label}"
            for name, (direction, strength) in picture.strengths.items()
        )
        figure.suptitle(
            f"{picture.name}   {rows} outputs x {cols} inputs, {picture.mask.mean():.1%} kept\n"
            f"direction strength of the fine-grained mask: {strengths}",
            fontsize=10,
        )
        figure.savefig(path)
        plt.close(figure)


def _draw_density(figure: Any, picture: MaskPicture) -> None:
    """Local density of the fine-grained mask, with the profiles of its outputs and inputs."""
    mask = picture.fine
    rows, cols = mask.shape
    # Half way between a square and the matrix's own shape, which a long matrix would leave unreadable.
    width, height = (max((one / other) ** 0.5, 1.0) for one, other in ((cols, rows), (rows, cols)))
    grid = figure.add_gridspec(
        2, 2, width_ratios=(4 * width, 1), height_ratios=(1, 4 * height), wspace=0.02, hspace=0.02
    )
    image = figure.add_subplot(grid[1, 0])
    above = figure.add_subplot(grid[0, 0], sharex=image)
    beside = figure.add_subplot(grid[1, 1], sharey=image)
    step = max(1, max(rows, cols) // 256)
    local = _local_density(mask, step)
    shown = image.imshow(
        local,
        cmap="Blues",
        vmin=0,
        vmax=float(np.quantile(local, 0.995)) or 1.0,
        extent=(0, cols, rows, 0),
        aspect="auto",
        interpolation="nearest",
    )
    image.set(xlabel="input k", ylabel="output m")
    window = _window(picture)
    if picture.direction is Direction.VERTICAL:
        band = Rectangle((window[1], 0), _WINDOW, rows, fill=False, edgecolor=_ACCENT, linewidth=0.7)
    else:
        band = Rectangle((0, window[0]), cols, _WINDOW, fill=False, edgecolor=_ACCENT, linewidth=0.7)
    image.add_patch(band)
    profile = {"color": _INK, "linewidth": 0.5}
    above.plot(np.arange(cols) + 0.5, mask.mean(axis=0), **profile)
    beside.plot(mask.mean(axis=1), np.arange(rows) + 0.5, **profile)
    above.axhline(mask.mean(), color=_ACCENT, linewidth=0.6)
    beside.axvline(mask.mean(), color=_ACCENT, linewidth=0.6)
    above.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)
    above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    beside.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    most = 1.05 * float(max(mask.mean(axis=0).max(), mask.mean(axis=1).max())) or 1.0
    above.set(ylim=(0, most), title="fine-grained mask, with the density of its inputs and outputs")
    beside.set(xlim=(0, most), xlabel="density")
    bar = figure.colorbar(shown, ax=[image], location="bottom", shrink=0.7, pad=0.02, aspect=35)
    bar.formatter = PercentFormatter(1, decimals=0)
    bar.set_label(f"kept in {step} x {step} weights" if step > 1 else "kept")


def _draw_close_ups(figure: Any, picture: MaskPicture) -> None:
    """The same weights under both masks, in grouped order."""
    top, left = _window(picture)
    vertical = picture.direction is Direction.VERTICAL
    axes = figure.subplots(2, 1, sharex=True)
    titles = ("close-up, fine-grained", f"{picture.direction.label} vectors, {picture.retained:.0%} retained")
    for axis, mask, title in zip(axes, (picture.fine, picture.mask), titles, strict=True):
        part = picture.grouped(mask)[top : top + _WINDOW, left : left + _WINDOW]
        axis.imshow(
            part,
            cmap=ListedColormap(["#ffffff", _INK]),
            extent=(left, left + part.shape[1], top + part.shape[0], top),
            interpolation="nearest",
            vmin=0,
            vmax=1,
        )
        for spine in axis.spines.values():
            spine.set(visible=True, color=_ACCENT, linewidth=0.7)
        axis.set_title(title)
        axis.set_ylabel("output, grouped order" if vertical else "output m")
    axes[1].set_xlabel("input k" if vertical else "input, grouped order")


def _window(picture: MaskPicture) -> tuple[int, int]:
    """Top and left of the close-up: the middle of the matrix, on a multiple of 32."""
    rows, cols = picture.mask.shape
    top, left = (max(0, (size - _WINDOW) // 2 // 32 * 32) for size in (rows, cols))
    return top, left


def _local_density(mask: NDArray[np.bool_], step: int) -> NDArray[np.float64]:
    """Mean over ``step`` x ``step`` squares; those at the edge may be smaller."""
    rows, cols = mask.shape
    down, across = (np.arange(0, size, step) for size in (rows, cols))
    sums = np.add.reduceat(np.add.reduceat(mask.astype(np.float64), down, axis=0), across, axis=1)
    sizes = np.outer(np.diff(np.append(down, rows)), np.diff(np.append(across, cols)))
    density: NDArray[np.float64] = sums / sizes
    return density


def save_lengths(lengths: Mapping[str, Mapping[int, int]], path: Path) -> None:
    """Draw how many vectors have which length.

    Parameters
    ----------
    lengths : mapping of str to (mapping of int to int)
        Vectors of every length, by name of the matrix.
    path : Path
    """
    with plt.rc_context(STYLE):
        columns = min(len(lengths), 4)
        rows = -(-len(lengths) // columns)
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(2.3 * columns + 0.6, 1.9 * rows + 0.5),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        axes: list[Axes] = list(grid.flat)
        for axis, (name, counts) in zip(axes, lengths.items(), strict=False):
            _draw_lengths(axis, name, counts)
        for axis in axes[len(lengths) :]:
            axis.set_visible(False)
        figure.supxlabel("length of a vector (weights)", fontsize=9)
        figure.supylabel("share of the vectors", fontsize=9)
        figure.savefig(path)
        plt.close(figure)


def _draw_lengths(axis: "Axes", name: str, counts: Mapping[int, int]) -> None:
    places = np.array(list(counts))
    numbers = np.array(list(counts.values()))
    total = max(int(numbers.sum()), 1)
    mean = float(places @ numbers) / total
    width = 0.8 * (places[1] - places[0] if len(places) > 1 else 1)
    axis.bar(places, numbers / total, width=width, color=_INK)
    axis.axvline(mean, color=_ACCENT, linewidth=1)
    axis.text(0.98, 0.97, f"mean {mean:.1f}", color=_ACCENT, ha="right", va="top", transform=axis.transAxes)
    axis.set_title(f"{name}\n{total:,} vectors")
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_xticks(places[:: max(1, -(-len(places) // 8))])
