"""`mixvec twin`: a board in simulation behind a pseudo-terminal, for any host program."""

from typing import Annotated

import typer

from codesign.console import note
from spec.arch import ArchConfig
from spec.presets import PRESETS

__all__ = ["twin"]


def twin(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="Name of the board.")],
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch", metavar="ARCH", help=f"Instead of the board's own: JSON file or {', '.join(PRESETS)}."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the first host has left.")] = False,
) -> int:
    """Simulate a board and print the name of its serial port; Ctrl-C ends it."""
    config = None if arch is None else ArchConfig.load(arch)
    from codesign.twins import start_twin

    with start_twin(board, config, once=once) as started:
        print(started.port, flush=True)
        note(f"{board} answers there until Ctrl-C; try `mixvec run FILE.mxv --port {started.port}`")
        return 0 if started.wait() == 0 else 1
