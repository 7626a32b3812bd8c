"""Plots of quality against density, stored bits and cycles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator, PercentFormatter

__all__ = ["save_quality"]

_AXES: Final = (
    ("density", "weights kept", "quality-density.png"),
    ("bits", "stored bits of all matrices, everything counted", "quality-bits.png"),
    ("compute_cycles", "compute cycles of all matrices, {tokens} tokens, {pes} PEs", "quality-cycles.png"),
)
_MARKERS: Final = "osD^vP*Xhp<>"
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 200,
}


def save_quality(summary: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """Draw quality as packed integers over three axes; return the names of the PNG files in ``folder``.

    Dense models are horizontal lines over density, and points elsewhere. Bars are minimum and maximum over
    seeds.
    """
    names = []
    for key, title, name in _AXES:
        with plt.rc_context(_STYLE):
            figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
            _draw(axes, summary, key)
            axes.set_xlabel(title.format(**summary[0]))
            figure.savefig(folder / name, metadata={"Software": None})
            plt.close(figure)
        names.append(name)
    return names


def _draw(axes: Any, summary: Sequence[Mapping[str, Any]], key: str) -> None:
    quality = summary[0]["quality"]
    methods = list(dict.fromkeys(line["method"] for line in summary))
    colours = plt.get_cmap("tab20")
    for index, method in enumerate(methods):
        lines = sorted((line for line in summary if line["method"] == method), key=lambda line: line[key])
        values = [line["integer"][quality] for line in lines]
        colour = "#222222" if method.startswith("dense") else colours(index % 20)
        if key == "density" and method.startswith("dense"):
            style = "--" if method == "dense" else ":"
            axes.axhline(values[0]["mean"], linestyle=style, color=colour, linewidth=1, label=method)
            continue
        means = [value["mean"] for value in values]
        below = [value["mean"] - value["min"] for value in values]
        above = [value["max"] - value["mean"] for value in values]
        axes.errorbar(
            [line[key] for line in lines],
            means,
            yerr=[below, above],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4,
            linewidth=1,
            capsize=2,
            color=colour,
            label=method,
        )
    if key == "density":
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(EngFormatter())
    better = "higher" if summary[0]["rising"] else "lower"
    axes.set_ylabel(f"{quality} of the int8 model ({better} is better)")
    axes.legend(fontsize=7, ncols=2)
