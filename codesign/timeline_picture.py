"""Picture of a layer's timeline: what every cluster, the input and the output do when."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, StepPatch
from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from codesign.cycle_registers import Input
from codesign.cycles import Timeline, layer_cycles, timeline
from codesign.pictures import STYLE
from spec.arch import ArchConfig
from spec.counters import Cause
from spec.errors import ConfigError
from sw.unpack import PackedLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LONGEST", "draw_timeline", "save_timeline"]

LONGEST: Final = 20_000_000
"""Most cluster cycles that are drawn."""

_LOADING, _HELD, _SENDING, _QUIET = range(len(Cause), len(Cause) + 4)
"""Codes of the input's and the output's rows, behind those of the clusters."""
_LOOKS: Final[dict[int, tuple[str, str]]] = {
    Cause.BEAT: ("#1f3a5f", "multiplying"),
    Cause.STEAL: ("#e9a23b", "psum row read by the drain"),
    Cause.DRAIN: ("#c8553d", "waiting for a psum bank"),
    Cause.OUTPUT: ("#7d1d2e", "waiting for the output buffer"),
    Cause.SKIP: ("#8fb8de", "vector dropped, only zeros"),
    Cause.VECTOR: ("#8d7fa3", "no vector (start, escape, empty block)"),
    Cause.IMBALANCE: ("#c9cdd3", "done before the others"),
    Cause.NONE: ("#f1f1f1", "no job"),
    _LOADING: ("#3f7f5a", "input: packets arrive"),
    _HELD: ("#cfe3d6", "input: held for a buffer"),
    _SENDING: ("#2f8c8c", "output: psums fetched"),
    _QUIET: ("#f1f1f1", ""),
}
"""Colour and words of every code, in the order in which they are stacked."""
_CODES: Final = list(_LOOKS)
_BINS: Final = 400
_DETAIL: Final = (160, 400)
"""Cycles shown one by one at the start and at the end, which takes in a block's drain."""
_GAP: Final = 0.35
"""Between the clusters and the rows of input and output, in rows."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Input, output and clusters as rows of codes, from the bottom up.

    Parameters
    ----------
    codes : ndarray of uint8, shape (C + 2, cycles)
    """

    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, shown: Timeline) -> "_Rows":
        outputs = np.where(shown.outputs, _SENDING, _QUIET)
        inputs = np.where(shown.inputs == Input.HELD, _HELD, _LOADING)
        # The first cluster on top, the streams below the last.
        return cls(np.concatenate([outputs[None], inputs[None], shown.causes[::-1]]).astype(np.uint8))

    def bottom(self, row: int) -> float:
        """Where a row begins."""
        return row + (_GAP if row > 1 else 0.0)

    @property
    def top(self) -> float:
        """Where the last row ends."""
        return len(self.codes) + _GAP


def draw_timeline(
    layer: PackedLayer, arch: ArchConfig, tokens: int, activations: NDArray[Any] | None, path: Path
) -> None:
    """Draw the timeline of one layer by the cycle model; see ``codesign.cycles.timeline``.

    Raises
    ------
    ConfigError
        If there are more than ``LONGEST`` cluster cycles.
    """
    count = layer_cycles(layer, arch, tokens, activations)
    if count.cycles * arch.clusters > LONGEST:
        raise ConfigError(
            f"the timeline of layer {layer.name} has {count.cycles:,} cycles of {arch.clusters} clusters, "
            f"more than {LONGEST:,}; draw fewer `--tokens`"
        )
    title = (
        f"{layer.name}, {tokens} tokens on {arch.pes} PEs: {count.cycles:,} cycles, "
        f"{count.busy_cycles:,} of them with a job"
    )
    save_timeline(timeline(layer, arch, tokens, activations, count.cycles), title, path)


def save_timeline(shown: Timeline, title: str, path: Path) -> None:
    """Draw shares of the cycles over the whole layer, and its first and last cycles one by one.

    Parameters
    ----------
    shown : Timeline
        Of at least one cycle.
    title : str
    path : Path
    """
    rows = _Rows.of(shown)
    clusters, cycles = shown.causes.shape
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(9.6, 3.6 + 0.42 * min(clusters, 10)), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(3, 2))
        _draw_shares(figure.add_subplot(grid[0, :]), rows)
        head, tail = (min(detail, cycles) for detail in _DETAIL)
        busy = np.flatnonzero((shown.causes != Cause.NONE).any(axis=0))
        first = min(max(0, int(busy[0]) - 4) if len(busy) else 0, cycles - head)
        _draw_cycles(figure, grid[1, 0], rows, first, first + head, f"{head} cycles from the first job on")
        _draw_cycles(figure, grid[1, 1], rows, cycles - tail, cycles, f"last {tail} cycles")
        _add_legend(figure, shown)
        figure.suptitle(title, fontsize=10)
        figure.savefig(path)
        plt.close(figure)


def _add_legend(figure: "Figure", shown: Timeline) -> None:
    """Colours in words, with the share of all cluster cycles, or of all cycles."""
    counts = np.bincount(shown.causes.ravel(), minlength=len(Cause)) / shown.causes.size
    held = float((shown.inputs == Input.HELD).mean())
    shares = dict(enumerate(counts.tolist()))
    shares |= {_LOADING: 1 - held, _HELD: held, _SENDING: float(shown.outputs.mean())}
    figure.legend(
        handles=[
            Patch(facecolor=colour, edgecolor="#9a9a9a", linewidth=0.4, label=f"{words} {shares[code]:.1%}")
            for code, (colour, words) in _LOOKS.items()
            if words
        ],
        loc="outside lower center",
        ncols=3,
        handlelength=1.2,
    )


def _draw_shares(axis: "Axes", rows: _Rows) -> None:
    """One band per row: shares of its codes in up to 400 equal spans of time."""
    cycles = rows.codes.shape[1]
    edges = np.unique(np.linspace(0, cycles, min(_BINS, cycles) + 1).astype(np.int64))
    for row, codes in enumerate(rows.codes):
        base = np.full(len(edges) - 1, rows.bottom(row) + 0.06)
        for code in _CODES:
            hits = codes == code
            if not hits.any():
                continue
            height = 0.88 * np.add.reduceat(hits.astype(np.float64), edges[:-1]) / np.diff(edges)
            # `axis.stairs` looks for limits in every step, which takes ten times as long as to draw.
            steps: Any = StepPatch
            axis.add_artist(
                steps(base + height, edges, baseline=base, fill=True, color=_LOOKS[code][0], linewidth=0)
            )
            base = base + height
    _label_rows(axis, rows)
    axis.set(xlim=(0, cycles), ylim=(0, rows.top), xlabel="clock cycle since the layer's first word")
    axis.set_title("whole layer, as shares of short spans of time")
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_cycles(figure: "Figure", place: Any, rows: _Rows, start: int, stop: int, title: str) -> None:
    axis = figure.add_subplot(place)
    for row in range(len(rows.codes)):
        low = rows.bottom(row) + 0.06
        axis.imshow(
            rows.codes[row : row + 1, start:stop],
            cmap=ListedColormap([_LOOKS[code][0] for code in sorted(_CODES)]),
            vmin=-0.5,
            vmax=len(_CODES) - 0.5,
            aspect="auto",
            interpolation="nearest",
            extent=(start, stop, low, low + 0.88),
        )
    _label_rows(axis, rows)
    axis.set(xlabel="clock cycle", title=title, xlim=(start, stop), ylim=(0, rows.top))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _label_rows(axis: "Axes", rows: _Rows) -> None:
    clusters = len(rows.codes) - 2
    step = max(1, -(-clusters // 8))
    shown = range(0, clusters, step)
    places = [rows.bottom(len(rows.codes) - 1 - number) + 0.5 for number in shown]
    names = [f"cluster {number}" for number in shown]
    if clusters > 16:
        # Two rows for the streams would be too narrow for their names.
        axis.set_yticks([1.0, *places], ["streams", *names])
    else:
        axis.set_yticks([0.5, 1.5, *places], ["output", "input", *names])
    axis.tick_params(axis="y", length=0)
