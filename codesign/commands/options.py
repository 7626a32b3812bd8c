"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from spec.errors import ConfigError
from spec.link import BAUD
from spec.presets import PRESETS

if TYPE_CHECKING:
    from sw.unpack import PackedLayer

__all__ = [
    "Activations",
    "Arch",
    "Baud",
    "JsonFlag",
    "Packed",
    "Port",
    "Seed",
    "TimelineFile",
    "Tokens",
    "TwinName",
    "check_timeline",
]

TIMELINE_FORMATS: Final = (".png", ".svg", ".pdf")

Packed: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE.mxv", help="A packed file.")]
JsonFlag: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of a table.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Arch: TypeAlias = Annotated[
    str,
    typer.Option("--arch", metavar="ARCH", help=f"A JSON file, or one of {', '.join(PRESETS)}."),
]
Tokens: TypeAlias = Annotated[
    int | None, typer.Option("--tokens", min=1, metavar="N", help="Activation columns; 64, or all of X.npz.")
]
TimelineFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--timeline", metavar="FILE.png", help="Draw what every cluster does when, of one layer."),
]
Activations: TypeAlias = Annotated[
    Path | None,
    typer.Option("--activations", metavar="X.npz", help="K x N integer arrays by layer name."),
]
Port: TypeAlias = Annotated[
    str | None, typer.Option("--port", metavar="PORT", help="Serial port of a board, as /dev/ttyUSB0.")
]
TwinName: TypeAlias = Annotated[
    str | None,
    typer.Option("--twin", metavar="BOARD", help="Simulate this board, with the file's design."),
]
Baud: TypeAlias = Annotated[
    int, typer.Option("--baud", min=300, help=f"Bits per second of the port; {BAUD:,}.", show_default=False)
]


def check_timeline(path: Path | None, layers: Sequence["PackedLayer"]) -> None:
    """Check that a timeline can be drawn to ``path``.

    Raises
    ------
    ConfigError
        If there are several layers, or the file's name says no format of a picture.
    """
    if path is None:
        return
    if len(layers) > 1:
        raise ConfigError(f"`--timeline` {path} shows one layer, not {len(layers)}; choose it with `--layer`")
    if path.suffix not in TIMELINE_FORMATS:
        raise ConfigError(f"`--timeline` {path} must end in one of {', '.join(TIMELINE_FORMATS)}")
