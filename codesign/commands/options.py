"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["Activations", "Arch", "JsonFlag", "Packed", "Seed", "Tokens"]

Packed: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE.mxv", help="A packed file.")]
JsonFlag: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of a table.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Arch: TypeAlias = Annotated[
    str,
    typer.Option("--arch", metavar="ARCH", help="A JSON file, or tiny, small, ulx3s or paper."),
]
Tokens: TypeAlias = Annotated[
    int | None, typer.Option("--tokens", min=1, metavar="N", help="Activation columns; 64, or all of X.npz.")
]
Activations: TypeAlias = Annotated[
    Path | None,
    typer.Option("--activations", metavar="X.npz", help="K x N integer arrays by layer name."),
]
