"""The plots of an exploration."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import plotly.graph_objects as go
from plotly.colors import qualitative

from codesign.exploration.explorer import Exploration
from codesign.exploration.names import (
    RESOURCE_NAMES,
    cause_name,
    design_name,
    limit_name,
    quality_text,
    quality_title,
)
from codesign.exploration.outcome import RESOURCES, Outcome

__all__ = ["draw_exploration"]

_COLOURS: Final = tuple(qualitative.D3)
_SMALLEST_SHARE: Final = 0.0005
"""Causes below it in every design are not drawn."""


def draw_exploration(exploration: Exploration) -> dict[str, go.Figure]:
    """Return the figures by title, each to be hovered over; a click in a legend leaves designs out."""
    shown = [outcome for outcome in exploration.outcomes if outcome.error is None]
    best, board = exploration.best, exploration.board
    figures = {"Time against area": _trade(shown, best, board)}
    if len({outcome.lost for outcome in shown if outcome.masks is not None}) > 1:
        figures["Time against what pruning costs"] = _quality(shown, best)
    figures["Time against energy"] = _energy(shown, best)
    figures |= {
        "Use of the multipliers against their number": _utilization(shown),
        "Where the cycles of the first designs go": _causes(best),
        "What the best designs take of the board": _resources(best),
        "Cycles of the best designs by layer": _layers(best),
    }
    for figure in figures.values():
        figure.update_layout(template="plotly_white", margin={"l": 60, "r": 20, "t": 20, "b": 50}, height=430)
    return figures


def _scarcest(outcome: Outcome) -> float:
    """Percent of the board's resource of which least is left."""
    return 100 * max(outcome.usage.values())


def _time(outcome: Outcome) -> float:
    return outcome.latency_ms


def _trade(shown: Sequence[Outcome], best: Sequence[Outcome], board: str) -> go.Figure:
    figure = _by_group(shown, best, _scarcest)
    figure.add_hline(y=100, line_dash="dot", line_color="#999")
    figure.update_yaxes(title=f"% of the scarcest resource of {board}")
    return figure


def _quality(shown: Sequence[Outcome], best: Sequence[Outcome]) -> go.Figure:
    measured = next((outcome.quality for outcome in shown if outcome.quality is not None), None)
    figure = _by_group(shown, best, _lost if measured is None else _measured)
    if measured is None:
        figure.update_yaxes(title="% of the weights' magnitude that is pruned")
    else:
        figure.update_yaxes(title=f"{measured.name}, integers on held-out data")
        figure.add_hline(y=measured.dense, line_dash="dot", line_color="#999", annotation_text="dense")
    return figure


def _energy(shown: Sequence[Outcome], best: Sequence[Outcome]) -> go.Figure:
    figure = _by_group(shown, best, _microjoules)
    figure.update_yaxes(title=f"µJ for the whole model, estimated for {best[0].technology.name}")
    return figure


def _microjoules(outcome: Outcome) -> float:
    return outcome.energy.total


def _by_group(
    shown: Sequence[Outcome], best: Sequence[Outcome], height: Callable[[Outcome], float]
) -> go.Figure:
    """Time against ``height``, coloured by lanes and sparsity, the best ringed."""
    figure = go.Figure()
    groups = sorted({_group(outcome) for outcome in shown})
    for colour, group in zip(_COLOURS * len(groups), groups, strict=False):
        _scatter(figure, [one for one in shown if _group(one) == group], _time, height, group, colour)
    figure.add_scatter(
        x=[_time(outcome) for outcome in best],
        y=[height(outcome) for outcome in best],
        mode="markers",
        marker={"symbol": "circle-open", "size": 14, "color": "#222"},
        name="best",
        hoverinfo="skip",
    )
    figure.update_xaxes(title="ms for the whole model", type="log")
    return figure


def _measured(outcome: Outcome) -> float:
    return 0.0 if outcome.quality is None else outcome.quality.value


def _lost(outcome: Outcome) -> float:
    return 0.0 if outcome.masks is None else 100 * outcome.masks.lost


def _utilization(shown: Sequence[Outcome]) -> go.Figure:
    figure = go.Figure()
    columns = sorted({outcome.arch.tokens for outcome in shown})
    for colour, tokens in zip(_COLOURS * len(columns), columns, strict=False):
        _scatter(
            figure,
            [outcome for outcome in shown if outcome.arch.tokens == tokens],
            lambda outcome: outcome.arch.pes,
            lambda outcome: 100 * float(outcome.row()["end_to_end_utilization"] or 0),
            f"T = {tokens}",
            colour,
        )
    figure.update_xaxes(title="PEs", type="log", dtick="D1")
    figure.update_yaxes(title="% of multiplier cycles that work on a kept weight")
    return figure


def _causes(best: Sequence[Outcome]) -> go.Figure:
    """Of the designs of which it was found out."""
    known = [outcome for outcome in best if outcome.shares]
    most = {name: max(outcome.shares[name] for outcome in known) for name in known[0].shares} if known else {}
    names = [name for name, share in most.items() if share > _SMALLEST_SHARE]
    return _stacked(
        known, {cause_name(name): [100 * one.shares[name] for one in known] for name in names}, "%"
    )


def _resources(best: Sequence[Outcome]) -> go.Figure:
    figure = go.Figure()
    labels = [design_name(outcome) for outcome in best]
    for resource, colour in zip(RESOURCES, _COLOURS, strict=False):
        shares = [100 * outcome.usage[resource] for outcome in best]
        figure.add_bar(x=labels, y=shares, name=RESOURCE_NAMES[resource], marker_color=colour)
    figure.add_hline(y=100, line_dash="dot", line_color="#999")
    figure.update_yaxes(title="% of the board")
    return figure


def _layers(best: Sequence[Outcome]) -> go.Figure:
    names = [layer["name"] for layer in best[0].layers]
    cycles = {
        name: [outcome.layers[number]["cycles"] for outcome in best] for number, name in enumerate(names)
    }
    return _stacked(best, cycles, "cycles")


def _stacked(best: Sequence[Outcome], parts: Mapping[str, Sequence[float]], unit: str) -> go.Figure:
    figure = go.Figure()
    labels = [design_name(outcome) for outcome in best]
    for name, values in parts.items():
        figure.add_bar(x=labels, y=list(values), name=name)
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_yaxes(title=unit)
    return figure


def _scatter(
    figure: go.Figure,
    outcomes: Sequence[Outcome],
    x: Callable[[Outcome], float],
    y: Callable[[Outcome], float],
    name: str,
    colour: str,
) -> None:
    figure.add_scatter(
        x=[x(outcome) for outcome in outcomes],
        y=[y(outcome) for outcome in outcomes],
        mode="markers",
        marker={"color": colour, "size": 8, "opacity": 0.75},
        name=name,
        text=[_hover(outcome) for outcome in outcomes],
        hoverinfo="text",
    )


def _hover(outcome: Outcome) -> str:
    cost = outcome.cost
    return "<br>".join(
        [
            f"<b>{design_name(outcome)}</b>, {outcome.arch.pes} PEs",
            f"{outcome.latency_ms:.2f} ms, {outcome.total('cycles'):,} cycles at {cost.fmax_mhz:.0f} MHz",
            f"{cost.luts:,.0f} LUT4, {cost.dsps} DSPs, {cost.brams} block RAMs",
            f"{outcome.energy.total:,.0f} µJ, of which {outcome.energy.on_chip:,.0f} on chip (estimated); "
            f"every weight kept {outcome.dense_energy.total:,.0f} and {outcome.dense_energy.on_chip:,.0f}",
            f"limited by {limit_name(outcome)}",
            *([] if outcome.masks is None else [f"{quality_title([outcome])} {quality_text(outcome)}"]),
        ]
    )


def _group(outcome: Outcome) -> str:
    pruning = outcome.design.pruning
    lanes = f"L = {outcome.arch.lanes}"
    return lanes if pruning is None else f"{lanes}, {100 * pruning.sparsity:g} % pruned"
