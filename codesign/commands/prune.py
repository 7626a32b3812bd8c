"""`mixvec prune`: masks, weights and orders from a model."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.commands.options import JsonFlag, Seed
from codesign.console import note, print_json, print_tables, progress
from codesign.files import output_folder
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from codesign.pruning import PruneOptions
    from sw.direction import Statistic
    from sw.scores import Score

__all__ = ["prune"]

_DEFAULT_ARCH = "ulx3s"


def prune(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="minilm, a model folder, or a file of arrays.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    method: Annotated[
        str, typer.Option("--method", help="mixed-vector, vector, fine-grained or block.")
    ] = "mixed-vector",
    sparsity: Annotated[float, typer.Option("--sparsity", help="Fraction pruned, 0 to 1.")] = 0.8,
    arch: Annotated[
        str | None,
        typer.Option("--arch", metavar="ARCH", help="A JSON file or preset; ulx3s without --lanes."),
    ] = None,
    lanes: Annotated[int | None, typer.Option("--lanes", help="L, instead of --arch.")] = None,
    segment: Annotated[int | None, typer.Option("--segment", help="B, with --lanes; 8 L.")] = None,
    lengths: Annotated[
        int | None, typer.Option("--lengths", help="Weights per vector or side of a block: 2, 4, 8 ...")
    ] = None,
    metadata_bits: Annotated[
        float | None, typer.Option("--metadata-bits", help="Most record bits per kept weight.")
    ] = None,
    contiguous: Annotated[
        bool, typer.Option("--contiguous", help="Strict form: adjacent groups, power-of-two lengths.")
    ] = False,
    score: Annotated[str, typer.Option("--score", help="magnitude or activation.")] = "magnitude",
    direction: Annotated[
        str,
        typer.Option("--direction", help="auto, vertical, horizontal, neighbour or variance."),
    ] = "auto",
    grouping: Annotated[
        bool, typer.Option("--grouping/--no-grouping", help="Reorder for longer vectors.")
    ] = True,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Prune a model's matrices into mixed-length vectors."""
    from codesign.pruned import kept_count, layer_facts, save_pruned, store_pruned

    request = _check(
        arch, lanes, segment, method, sparsity, metadata_bits, contiguous, score, direction, grouping, lengths
    )
    from codesign.pruning import prune_layer
    from sw.models import load_matrices
    from sw.prune import METADATA_BITS

    with ExitStack() as stack:
        folder = stack.enter_context(output_folder(output))
        matrices = load_matrices(model)
        inputs = _calibration(model, request)
        advance = stack.enter_context(
            progress("pruning", sum(w.numel() for w in matrices.values()), "weights")
        )
        layers, facts = [], []
        for name, weight in matrices.items():
            kept = kept_count(sparsity, weight.numel())
            pruned, met = prune_layer(name, weight, kept, request, inputs.get(name))
            if not met:
                note(
                    f"layer {name} cannot meet the default budget of {METADATA_BITS} record bits per kept "
                    f"weight; it takes {pruned.record_bits_per_kept:.2f}"
                )
            layers.append(store_pruned(name, weight.numpy(), pruned))
            facts.append(layer_facts(name, pruned))
            advance(weight.numel())
        save_pruned(folder, layers, facts, _options(model, request, sparsity, seed))
    if as_json:
        print_json({"output": str(output), **_options(model, request, sparsity, seed), "layers": facts})
    else:
        from codesign.tables import pruned_table

        print_tables(pruned_table(facts), f"masks, weights and manifest: {output}")
    return 0


def _check(
    arch: str | None,
    lanes: int | None,
    segment: int | None,
    method: str,
    sparsity: float,
    metadata_bits: float | None,
    contiguous: bool,
    score: str,
    direction: str,
    grouping: bool,
    length: int | None,
) -> "PruneOptions":
    from codesign.pruned import kept_count
    from codesign.pruning import PruneOptions
    from sw.prune import Method, parse_method

    kept_count(sparsity, 1)
    chosen = parse_method(method)
    if chosen is not Method.MIXED_VECTOR:
        for option, given in (("--metadata-bits", metadata_bits is not None), ("--contiguous", contiguous)):
            if given:
                raise ConfigError(f"`{option}` belongs to method mixed-vector, not {method}; leave it out")
    if metadata_bits is not None and not 0 <= metadata_bits < float("inf"):
        raise ConfigError(f"`--metadata-bits` must be a number of bits, at least 0, not {metadata_bits:g}")
    if length is not None:
        if chosen not in (Method.VECTOR, Method.BLOCK):
            raise ConfigError(f"`--lengths` belongs to methods vector and block, not {method}; leave it out")
        if length < 1 or length & (length - 1):
            raise ConfigError(f"`--lengths` must be a power of two, not {length}")
    return PruneOptions(
        arch=_arch(arch, lanes, segment),
        method=chosen,
        metadata_bits=metadata_bits,
        contiguous=contiguous,
        score=_score(score),
        direction=_direction(direction),
        grouping=grouping,
        length=length,
    )


def _arch(arch: str | None, lanes: int | None, segment: int | None) -> ArchConfig:
    if lanes is None and segment is None:
        return ArchConfig.load(arch or _DEFAULT_ARCH)
    if arch is not None:
        raise ConfigError(f"`--lanes` and `--segment` replace `--arch` {arch}; give one or the other")
    fields = {"clusters": 1, "lanes": 4 if lanes is None else lanes, "tokens": 1}
    if segment is not None:
        fields["segment"] = segment
    return ArchConfig.parse(json.dumps(fields), source="`--lanes` and `--segment`")


def _score(name: str) -> "Score":
    from sw.scores import Score

    try:
        return Score(name)
    except ValueError:
        known = ", ".join(score.value for score in Score)
        raise ConfigError(f"`--score` must be one of {known}, not {name}") from None


def _direction(name: str) -> "Direction | Statistic | None":
    from sw.direction import Statistic

    choices: dict[str, Direction | Statistic | None] = {"auto": None}
    choices |= {direction.label: direction for direction in Direction}
    choices |= {statistic.value: statistic for statistic in Statistic}
    if name not in choices:
        raise ConfigError(f"`--direction` must be one of {', '.join(choices)}, not {name}")
    return choices[name]


def _calibration(model: str, request: "PruneOptions") -> "dict[str, torch.Tensor]":
    """What every matrix sees while the model reads, where the score needs it."""
    from sw.scores import Score

    if request.score is not Score.ACTIVATION:
        return {}
    from sw.calibration import capture_activations

    return capture_activations(model)


def _options(model: str, request: "PruneOptions", sparsity: float, seed: int) -> dict[str, Any]:
    """How the model was pruned, for the manifest; paths stay out, so that they do not change its bytes."""
    from sw.direction import Statistic

    arch, direction = request.arch, request.direction
    if isinstance(direction, Direction):
        way = direction.label
    else:
        way = direction.value if isinstance(direction, Statistic) else "auto"
    return {
        "model": Path(model).name,
        "arch": {name: getattr(arch, name) for name in ("lanes", "segment", "advance_width")},
        "method": request.method.value,
        "sparsity": sparsity,
        "metadata_bits": request.metadata_bits,
        "contiguous": request.contiguous,
        "lengths": request.length,
        "score": request.score.value,
        "direction": way,
        "grouping": request.grouping,
        "seed": seed,
    }
