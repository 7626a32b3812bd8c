"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from spec.arch import PRESETS
from spec.errors import ConfigError

if TYPE_CHECKING:
    from sw.unpack import PackedLayer

__all__ = ["Activations", "Arch", "JsonFlag", "Packed", "Seed", "TimelineFile", "Tokens", "check_timeline"]

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
