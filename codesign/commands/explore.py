"""`mixvec explore`: which accelerator to build for a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from codesign.commands.options import JsonFlag
from codesign.console import note, print_json, print_tables, progress
from codesign.files import output_folder
from spec.errors import ConfigError

if TYPE_CHECKING:
    from codesign.exploration.explorer import Exploration

__all__ = ["explore"]

Number = TypeVar("Number", int, float)

_MOST_DESIGNS: Final = 100_000
"""Designs that are all measured unless a search is asked for."""
_TRIALS: Final = 400
_SHOWN_REFUSALS: Final = 3


def explore(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="minilm, a model folder, a file of arrays, or a packed file."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    clusters: Annotated[str, typer.Option("--clusters", metavar="C,C", help="Values to try.")] = "1,2,4",
    lanes: Annotated[str, typer.Option("--lanes", metavar="L,L", help="Values to try.")] = "2,4,8",
    tokens: Annotated[
        str, typer.Option("--tokens", metavar="T,T", help="Token columns of the array to try.")
    ] = "4,8,16",
    weight_width: Annotated[
        str | None, typer.Option("--weight-width", metavar="BITS,BITS", help="Values to try.")
    ] = None,
    stream_width: Annotated[
        str | None, typer.Option("--stream-width", metavar="BITS,BITS", help="Values to try.")
    ] = None,
    value_depth: Annotated[
        str | None, typer.Option("--value-depth", metavar="BEATS,BEATS", help="Values to try.")
    ] = None,
    sparsity: Annotated[
        str | None,
        typer.Option("--sparsity", metavar="S,S", help="Values to try; 0.8. Not of a packed file."),
    ] = None,
    metadata_bits: Annotated[
        str | None,
        typer.Option("--metadata-bits", metavar="BITS,BITS", help="Record bits per kept weight to try; 0.6."),
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="ARCH", help="Where all other parameters come from.")
    ] = None,
    columns: Annotated[int, typer.Option("--columns", min=1, metavar="N", help="Tokens of the job.")] = 64,
    board: Annotated[str, typer.Option("--board", help="ulx3s or orangecrab.")] = "ulx3s",
    objective: Annotated[
        str, typer.Option("--objective", metavar="A,B", help="Of latency, area, quality and energy.")
    ] = "latency,area,quality",
    technology: Annotated[
        str, typer.Option("--technology", help="Of the energy estimate: 45nm or 7nm.")
    ] = "45nm",
    most_ms: Annotated[
        float | None, typer.Option("--most-ms", help="Leave out what takes longer for the whole model.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train", metavar="FILE", help="Measure quality: text or SQuAD JSON to refit or train on."
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE", help="Held-out file; the last tenth of --train if absent."),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=0, metavar="N", help="Train every pruned model for N steps.")
    ] = 0,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            metavar="N",
            help=f"Search with N designs instead of all; {_TRIALS} of more than {_MOST_DESIGNS:,}.",
        ),
    ] = None,
    pnr: Annotated[
        int, typer.Option("--pnr", min=0, metavar="N", help="Place and route the first N of the front.")
    ] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of place and route, with --pnr.")] = 3,
    causes: Annotated[
        int,
        typer.Option("--causes", min=0, metavar="N", help="Find all causes of lost cycles of the first N."),
    ] = 5,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; as many as there are cores.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="tcp://…", help="Dask scheduler to run on instead.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Find the accelerators that no other beats: exact cycles, estimated or routed cost, quality."""
    from codesign.exploration.designs import DesignSpace, base_fields
    from codesign.exploration.explorer import Explorer, is_packed
    from codesign.exploration.outcome import Objective
    from codesign.exploration.technology import find_technology
    from codesign.patterns import parse_choice
    from sw.pattern import METADATA_BITS

    packed = is_packed(model)
    if packed and (sparsity or metadata_bits):
        raise ConfigError(f"{model} is pruned already; leave `--sparsity` and `--metadata-bits` out")
    varied = {
        "clusters": clusters,
        "lanes": lanes,
        "tokens": tokens,
        "weight_width": weight_width,
        "stream_width": stream_width,
        "value_depth": value_depth,
    }
    space = DesignSpace(
        {} if arch is None else base_fields(arch),
        {name: _numbers(name, text, int) for name, text in varied.items() if text is not None},
        () if packed else _numbers("sparsity", sparsity or "0.8", float),
        () if packed else _numbers("metadata_bits", metadata_bits or f"{METADATA_BITS}", float),
    )
    if trials is None and space.size > _MOST_DESIGNS:
        note(f"{space.size:,} designs are too many to measure all: a search asks for {_TRIALS} of them")
        trials = _TRIALS
    objectives = [parse_choice(Objective, "--objective", part) for part in objective.split(",")]
    explorer = Explorer(
        board=board,
        objectives=tuple(dict.fromkeys(objectives)),
        columns=columns,
        most_ms=most_ms,
        trials=trials,
        routed=pnr,
        seeds=seeds,
        causes=causes,
        technology=find_technology(technology),
        workers=workers,
        cluster=cluster,
        train=train,
        test=test,
        steps=steps,
    )
    with output_folder(output) as folder:
        found = explorer.explore(model, space, progress)
        files = _write(folder, found)
    for refusal in found.refusals[:_SHOWN_REFUSALS]:
        note(f"left out: {refusal}")
    if as_json:
        print_json(
            {
                "model": found.model,
                "board": board,
                "points": len(found.outcomes),
                "points_per_second_per_core": found.points_per_second,
                "cost_model_errors": vars(found.errors),
                "front": [outcome.row() for outcome in found.best],
                "output": str(output),
                "files": files,
            }
        )
    else:
        from codesign.exploration.front_table import front_table

        print_tables(front_table(found.best, found.errors), f"written to {output}: {', '.join(files)}")
    return 0


def _numbers(name: str, text: str, kind: "Callable[[str], Number]") -> "tuple[Number, ...]":
    """Return the numbers of a list with commas, each once."""
    try:
        return tuple(dict.fromkeys(kind(part) for part in text.split(",")))
    except ValueError:
        option, what = f"--{name.replace('_', '-')}", "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"`{option}` must be {what} with commas between, not {text}") from None


def _write(folder: Path, found: "Exploration") -> list[str]:
    """Write all files; return their names."""
    from codesign.exploration.names import arch_file
    from codesign.exploration.page import render_page
    from codesign.exploration.results import write_tables

    rows = [{**outcome.row(), "front": index in found.front} for index, outcome in enumerate(found.outcomes)]
    files = write_tables(rows, folder)
    best = [{**rows[index], "layers": list(found.outcomes[index].layers)} for index in found.front]
    (folder / "front.json").write_text(json.dumps(best, indent=1, allow_nan=False) + "\n")
    (folder / "report.html").write_text(render_page(found))
    archs = dict.fromkeys(outcome.arch for outcome in found.best)
    for arch in archs:
        (folder / arch_file(arch)).write_text(arch.to_json() + "\n")
    return [*files, "front.json", "report.html", *map(arch_file, archs)]
