"""`mixvec build`: the bitstream of a board, or its Vivado project."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.commands.options import JsonFlag, Seed
from codesign.console import note, print_json, print_tables, waiting
from codesign.files import output_folder
from spec.arch import ArchConfig
from spec.presets import PRESETS

if TYPE_CHECKING:
    from codesign.board_builder import BoardBuild

__all__ = ["build"]


def build(
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="Name of the board.")],
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch", metavar="ARCH", help=f"Instead of the board's own: JSON file or {', '.join(PRESETS)}."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder to write; mixvec-NAME without it."),
    ] = None,
    seed: Seed = 1,
    as_json: JsonFlag = False,
) -> int:
    """Synthesize, place and route the accelerator with its serial link for one board."""
    from boards.catalog import find_board

    facts = find_board(board)
    config = ArchConfig.load(facts.arch if arch is None else arch)
    from codesign.board_builder import build_board
    from codesign.exploration.store import Store
    from sim.simulator import cache_folder

    store, folder = Store(cache_folder() / "boards"), Path(f"mixvec-{board}") if output is None else output
    with output_folder(folder) as part:
        with waiting(f"building for {board}"):
            done = build_board(facts, config, seed, store, lambda step: note(f"{board}: {step}"))
        for name, data in done.files.items():
            (part / name).write_bytes(data)
        report = _report(done)
        (part / "arch.json").write_text(config.to_json() + "\n")
        if report["bitstream"] is not None:
            report["bitstream"] = str(folder / report["bitstream"])
        (part / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    if as_json:
        print_json(report)
    else:
        from codesign.board_tables import build_table

        print_tables(build_table(report))
    fmax = report["fmax_mhz"]
    if fmax is not None and fmax < facts.clock_mhz:
        note(f"the routed design reaches {fmax:.1f} MHz, not {facts.clock_mhz:g} MHz; try another `--seed`")
        return 1
    return 0


def _report(done: "BoardBuild") -> dict[str, Any]:
    return {
        "board": done.facts.name,
        "arch": done.arch.model_dump(),
        "fmax_mhz": done.fmax_mhz,
        "clock_mhz": done.facts.clock_mhz,
        **done.counts,
        "seed": done.seed,
        "bitstream": done.bitstream,
        "bitstream_bytes": None if done.bitstream is None else len(done.files[done.bitstream]),
        "available": done.limits,
        "cells": {cell: [used, limit] for cell, (used, limit) in done.used.items() if used},
        "seconds": done.seconds,
        "tools": done.tools,
    }
