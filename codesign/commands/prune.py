"""`mixvec prune`: masks, weights and orders from a model."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from codesign.commands.options import JsonFlag, Seed
from codesign.console import note, print_json, print_tables, progress
from codesign.files import output_folder
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError

if TYPE_CHECKING:
    from sw.pattern import Pattern
    from sw.prune_model import PruneOptions
    from sw.scores import Score
    from sw.statistics import LayerStatistics

__all__ = ["prune"]

_BATCHES: Final = 32
_SIZE: Final = 16
"""Calibration: batches, and windows or sentences in each."""


def prune(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="minilm, a model folder, or a file of arrays.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    method: Annotated[
        str,
        typer.Option("--method", help="mixed-vector, vector, fine-grained, n-m, block, channel or head."),
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
    n_m: Annotated[
        str | None, typer.Option("--n-m", metavar="N:M", help="Method n-m: what --sparsity asks for, or 2:4.")
    ] = None,
    metadata_bits: Annotated[
        float | None, typer.Option("--metadata-bits", help="Most record bits per kept weight.")
    ] = None,
    contiguous: Annotated[
        bool, typer.Option("--contiguous", help="Strict form: adjacent groups, power-of-two lengths.")
    ] = False,
    score: Annotated[
        str, typer.Option("--score", help="magnitude, activation, second-order or fisher.")
    ] = "magnitude",
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="Calibrate on it; needed by fisher.")
    ] = None,
    allocation: Annotated[
        str, typer.Option("--allocation", help="matrix: one density; global: one threshold.")
    ] = "matrix",
    direction: Annotated[
        str,
        typer.Option("--direction", help="auto, vertical, horizontal, neighbour or variance."),
    ] = "auto",
    grouping: Annotated[
        bool, typer.Option("--grouping/--no-grouping", help="Reorder for longer vectors.")
    ] = True,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw every mask beside its direction strength.")
    ] = False,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Prune a model's matrices into mixed-length vectors, or by any pattern to compare with."""
    from codesign.patterns import parse_choice, parse_direction, pattern_arch
    from codesign.pruned import kept_count, layer_facts, save_pruned, store_pruned
    from sw.mask_search import Allocation
    from sw.pattern import Method
    from sw.prune_model import PruneOptions

    kept_count(sparsity, 1)
    pattern = _pattern(
        pattern_arch(arch, lanes, segment), method, sparsity, lengths, n_m, metadata_bits, contiguous
    )
    options = PruneOptions(
        pattern,
        direction=parse_direction(direction),
        grouping=grouping,
        allocation=parse_choice(Allocation, "--allocation", allocation),
        yielding=pattern.method is Method.MIXED_VECTOR and metadata_bits is None,
    )
    chosen = _score(score, text)
    from sw.models import attention_heads, load_matrices
    from sw.prune_model import prune_model
    from sw.scores import score_weights
    from sw.units import named_shapes

    with ExitStack() as stack:
        folder = stack.enter_context(output_folder(output))
        matrices = load_matrices(model)
        statistics = _calibrate(model, chosen, text, seed)
        shapes = named_shapes(
            {name: (weight.shape[0], weight.shape[1]) for name, weight in matrices.items()},
            attention_heads(model),
        )
        weights = sum(its.size for its in shapes)
        advance = stack.enter_context(progress("pruning", weights, "weights"))
        scores = {
            name: score_weights(weight.numpy(), chosen, statistics=statistics.get(name))
            for name, weight in matrices.items()
        }
        pruned = prune_model(scores, shapes, kept_count(sparsity, weights), options, advance)
        layers = [store_pruned(name, matrices[name].numpy(), its) for name, its in pruned.items()]
        facts = [layer_facts(name, its) for name, its in pruned.items()]
        manifest = _manifest(model, options, chosen, sparsity, seed)
        save_pruned(folder, layers, facts, manifest)
        if pictures:
            from codesign.pictures import MaskPicture, save_mask

            for name, its in pruned.items():
                picture = folder / f"mask-{name.replace('/', '_')}.png"
                save_mask(MaskPicture.of(name, scores[name], its), picture)
    _note_budgets(facts, options)
    if as_json:
        print_json({"output": str(output), **manifest, "layers": facts})
    else:
        from codesign.tables import pruned_table

        print_tables(pruned_table(facts), f"masks, weights and manifest: {output}")
    return 0


def _pattern(
    arch: ArchConfig,
    name: str,
    sparsity: float,
    length: int | None,
    n_m: str | None,
    metadata_bits: float | None,
    contiguous: bool,
) -> "Pattern":
    """Return the pattern of the options; those of other methods are refused by their names here."""
    from codesign.patterns import n_m_of, parse_n_m
    from sw.pattern import METADATA_BITS, Method, Pattern, parse_method

    method = parse_method(name)
    mixed = method is Method.MIXED_VECTOR
    for option, given, owners in (
        ("--metadata-bits", metadata_bits is not None and not mixed, "method mixed-vector"),
        ("--contiguous", contiguous and not mixed, "method mixed-vector"),
        ("--lengths", length is not None and not method.sized, "methods vector and block"),
        ("--n-m", n_m is not None and method is not Method.N_M, "method n-m"),
    ):
        if given:
            raise ConfigError(f"`{option}` belongs to {owners}, not {name}; leave it out")
    if metadata_bits is not None and not 0 <= metadata_bits < float("inf"):
        raise ConfigError(f"`--metadata-bits` must be a number of bits, at least 0, not {metadata_bits:g}")
    if length is not None and (length < 1 or length & (length - 1)):
        raise ConfigError(f"`--lengths` must be a power of two, not {length}")
    kept_of = None
    if method is Method.N_M:
        kept_of = n_m_of(sparsity) if n_m is None else parse_n_m(n_m)
    budget = METADATA_BITS if mixed and metadata_bits is None else metadata_bits
    return Pattern(arch, method, length, kept_of, budget, contiguous)


def _score(name: str, text: Path | None) -> "Score":
    """Return the score; refuse one that needs what is not there."""
    from codesign.patterns import parse_choice
    from sw.scores import Score

    score = parse_choice(Score, "--score", name)
    if score.needs_training:
        raise ConfigError(f"`--score` {name} is learned while training; use `mixvec evaluate` for it")
    if score.needs_gradients and text is None:
        raise ConfigError(f"`--score` {name} needs gradients on real text; give it with `--text`")
    if text is not None and not (score.needs_gradients or score.needs_hessian):
        raise ConfigError(f"`--text` is for scores that calibrate, not {name}; leave it out")
    return score


def _calibrate(model: str, score: "Score", text: Path | None, seed: int) -> "dict[str, LayerStatistics]":
    """What every matrix meets while the model reads the text, or else the built-in sentences."""
    if not (score.needs_hessian or score.needs_gradients):
        return {}
    if text is None:
        from sw.calibration import capture_activations
        from sw.statistics import LayerStatistics

        return {
            name: LayerStatistics(tokens=x.shape[1], hessian=x @ x.T / x.shape[1])
            for name, x in capture_activations(model).items()
        }
    import torch

    from codesign.subjects import Subject, load_subject
    from sw.statistics import collect_statistics
    from sw.targets import find_targets

    module, task = load_subject(Subject(model, text))
    return collect_statistics(
        module,
        find_targets(module),
        task,
        batches=_BATCHES,
        size=_SIZE,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        gradients=score.needs_gradients,
        hessian=score.needs_hessian,
    )


def _note_budgets(facts: list[dict[str, Any]], options: "PruneOptions") -> None:
    """Say which matrices exceed a budget that may yield."""
    budget = options.pattern.metadata_bits
    for line in facts:
        if options.yielding and budget is not None and line["record_bits_per_kept"] > budget:
            note(
                f"layer {line['name']} cannot meet the default budget of {budget} record bits per kept "
                f"weight; it takes {line['record_bits_per_kept']:.2f}"
            )


def _manifest(
    model: str, options: "PruneOptions", score: "Score", sparsity: float, seed: int
) -> dict[str, Any]:
    """How the model was pruned; paths stay out, so that they do not change its bytes."""
    from sw.direction import Statistic
    from sw.pattern import Method

    pattern, direction = options.pattern, options.direction
    if isinstance(direction, Direction):
        way = direction.label
    else:
        way = direction.value if isinstance(direction, Statistic) else "auto"
    return {
        "model": Path(model).name,
        "arch": {name: getattr(pattern.arch, name) for name in ("lanes", "segment", "advance_width")},
        "method": pattern.method.value,
        "sparsity": sparsity,
        "metadata_bits": None if options.yielding else pattern.metadata_bits,
        "contiguous": pattern.contiguous,
        "lengths": pattern.length,
        "n_m": list(pattern.kept_of) if pattern.method is Method.N_M else None,
        "score": score.value,
        "allocation": options.allocation.value,
        "direction": way,
        "grouping": options.grouping,
        "seed": seed,
    }
