"""What the command says: results on standard output, everything else on standard error."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["note", "print_json", "print_tables", "progress", "waiting"]

_WIDTH: Final = 150
"""Columns of a table that does not go to a terminal."""


class _RateColumn(ProgressColumn):
    """Units per second."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        if task.speed is None:
            return Text("")
        return Text(f"{_scaled(task.speed)}{self.unit}/s", style="progress.data.speed")


def print_json(data: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output; a number that is not finite is an error."""
    print(json.dumps(data, indent=2, allow_nan=False))


def print_tables(*tables: RenderableType) -> None:
    """Print rich tables or lines on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    for table in tables:
        # A line may hold a path, which is one to copy, whatever brackets it has.
        plain = isinstance(table, str)
        console.print(table, soft_wrap=plain, markup=not plain)


def note(text: str) -> None:
    """Print one line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(text), style="dim")


@contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate and time left on standard error; yield the function that advances it.

    Parameters
    ----------
    description : str
    total : int
        Units of the whole work.
    unit : str
        Plural noun, such as ``weights``.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        _RateColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)

        def advance(units: int) -> None:
            bar.advance(task, units)

        yield advance


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Show what goes on and for how long, where the steps left are not known, on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as spinner:
        spinner.add_task(escape(description), total=None)
        yield


def _scaled(value: float) -> str:
    for limit, divisor, prefix in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e3, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.1f}{prefix}"
    return f"{value:.1f} "
