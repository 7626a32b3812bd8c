"""`mixvec evaluate`: pruning methods against each other on one model, its data and one budget."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from codesign.commands.options import JsonFlag
from codesign.console import note, print_json, print_tables, progress
from codesign.files import output_file
from spec.errors import ConfigError

if TYPE_CHECKING:
    from codesign.trials import Trial
    from spec.arch import ArchConfig
    from sw.sparse_model import Recipe

__all__ = ["evaluate"]

_METHODS: Final = ("dense", "fine-grained", "mixed-vector:1", "vector:4", "vector:8", "block:4")
_TRIALS: Final = "trials"
"""Folder of results and kept models."""
_SPARSITIES: Final = (0.6, 0.7, 0.8)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="minilm, or a model folder or name.")],
    train: Annotated[Path, typer.Option("--train", metavar="FILE", help="Text or SQuAD JSON to train on.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE", help="Held-out file; the last tenth of a text if absent."),
    ] = None,
    task: Annotated[str, typer.Option("--task", help="auto, language, embedding or question.")] = "auto",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME[:PARAMETER]",
            help="Repeat to compare: dense, mixed-vector:1, vector:4 ...",
        ),
    ] = None,
    sparsity: Annotated[
        list[float] | None, typer.Option("--sparsity", help="Repeat to compare; 0.6, 0.7, 0.8.")
    ] = None,
    head_sparsity: Annotated[
        list[float] | None, typer.Option("--head-sparsity", help="Instead of --sparsity, for method head.")
    ] = None,
    recovery: Annotated[
        str, typer.Option("--recovery", help="none, one-shot, fine-tune or one-shot+fine-tune.")
    ] = "fine-tune",
    score: Annotated[
        str, typer.Option("--score", help="fisher, magnitude, activation, second-order or movement.")
    ] = "fisher",
    allocation: Annotated[str, typer.Option("--allocation", help="global or matrix.")] = "global",
    direction: Annotated[
        str, typer.Option("--direction", help="auto, vertical, horizontal, neighbour or variance.")
    ] = "auto",
    grouping: Annotated[bool, typer.Option("--grouping/--no-grouping", help="Reorder offline.")] = True,
    refit: Annotated[bool, typer.Option("--refit/--no-refit", help="One-shot: refit kept weights.")] = True,
    stages: Annotated[int, typer.Option("--stages", min=1, help="One-shot: cuts.")] = 8,
    batches: Annotated[int, typer.Option("--batches", min=1, help="Calibration batches.")] = 24,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps.")] = 1000,
    size: Annotated[int, typer.Option("--size", min=1, help="Samples per step.")] = 16,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="The highest.")] = 4e-3,
    ramp: Annotated[float, typer.Option("--ramp", help="Share of steps until all is pruned.")] = 0.5,
    interval: Annotated[int, typer.Option("--interval", min=1, help="Steps between masks.")] = 10,
    distillation: Annotated[float, typer.Option("--distillation", help="Weight of the teacher.")] = 0.9,
    quantized: Annotated[float, typer.Option("--quantized", help="Share of steps with int8 numbers.")] = 0.2,
    input_scales: Annotated[
        str, typer.Option("--input-scales", help="Of the integers: tensor (calibrated) or token.")
    ] = "tensor",
    smoothing: Annotated[
        float, typer.Option("--smoothing", help="Of outlying inputs, SmoothQuant's strength, 0 to 1.")
    ] = 0.0,
    trained: Annotated[
        str, typer.Option("--trained", help="all, no-tables, or matrices: the rest stays as it is.")
    ] = "all",
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Train faster where the processor multiplies bfloat16.")
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="FILE", help="Go on from a kept or packed model, or minilm's."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the pruned models too.")] = False,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of every method.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="First seed.")] = 0,
    arch: Annotated[str, typer.Option("--arch", metavar="ARCH", help="Preset or file.")] = "ulx3s",
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Columns whose cycles count.")] = 64,
    block: Annotated[int | None, typer.Option("--block", min=1, help="Tokens per window.")] = None,
    judge: Annotated[int, typer.Option("--judge", min=2, help="Most sentences or questions judged.")] = 1000,
    spans: Annotated[
        float, typer.Option("--spans", help="Sentences: share cut from running text instead.")
    ] = 0.0,
    replaced: Annotated[
        float, typer.Option("--replaced", help="Sentences: share of tokens replaced at random.")
    ] = 0.0,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Trials at a time.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    as_json: JsonFlag = False,
) -> int:
    """Compare pruning methods by what the pruned model still does."""
    from codesign.evaluation import evaluate_trials, summarize
    from codesign.patterns import parse_choice, parse_direction
    from codesign.subjects import Subject, TaskKind, choose_device
    from codesign.whole.sentence_encoder import PACKED_MINILM
    from spec.arch import ArchConfig
    from sw.augment import Augmentation
    from sw.input_quantizer import InputOptions, InputScales
    from sw.mask_search import Allocation
    from sw.pattern import Pattern
    from sw.prune_model import PruneOptions
    from sw.recovery_options import RecoveryOptions, Trained
    from sw.scores import Score
    from sw.sparse_model import Recipe, RecoveryMethod

    config = ArchConfig.load(arch)
    kind = None if task == "auto" else parse_choice(TaskKind, "--task", task)
    options = RecoveryOptions(
        steps=steps,
        size=size,
        learning_rate=learning_rate,
        ramp=ramp,
        interval=interval,
        score=parse_choice(Score, "--score", score),
        distillation=distillation,
        quantized=quantized,
        trained=parse_choice(Trained, "--trained", trained),
        bfloat16=bfloat16,
    )
    prune = PruneOptions(
        Pattern(config),
        direction=parse_direction(direction),
        grouping=grouping,
        allocation=parse_choice(Allocation, "--allocation", allocation),
        yielding=True,
    )
    way = parse_choice(RecoveryMethod, "--recovery", recovery)
    inputs = InputOptions(parse_choice(InputScales, "--input-scales", input_scales).per_token, smoothing)
    recipe = Recipe(prune, way, options, stages, refit, batches, inputs)
    grid = _Grid(tuple(method or _METHODS), tuple(sparsity or _SPARSITIES), tuple(head_sparsity or ()))
    trials = grid.trials(recipe, config, range(seed, seed + seeds), tokens)
    if start is not None and any(trial.pattern is None for trial in trials):
        raise ConfigError(
            "--start goes on from a pruned model; name methods by --method, and dense not among them"
        )
    begin = PACKED_MINILM if start is not None and start == Path("minilm") and not start.exists() else start
    subject = Subject(model, train, test, kind, block, judge, Augmentation(spans, replaced), begin)
    if output.exists() and not output.is_dir():
        raise ConfigError(f"output {output} exists and is not a folder; choose another name")
    with progress("evaluating", sum(trial.steps for trial in trials) or len(trials), "steps") as advance:
        results = evaluate_trials(
            subject,
            trials,
            output / _TRIALS,
            jobs=jobs,
            device=choose_device(device),
            progress=advance,
            report=_report,
            keep=keep,
        )
    report: dict[str, Any] = {"model": Path(model).name, "summary": summarize(results), "results": results}
    files = _write(report, output)
    if as_json:
        print_json({**report, "output": str(output), "files": files})
    else:
        from codesign.quality_tables import quality_table

        named = [(f"{one['method']} at {one['sparsity']:g}, seed {one['seed']}", one) for one in results]
        kept = [f"kept {name}: {output / _TRIALS / one['kept_model']}" for name, one in named if keep]
        print_tables(quality_table(report["summary"]), f"written to {output}: {', '.join(files)}", *kept)
    return 0


@dataclass(frozen=True)
class _Grid:
    """Methods and sparsities as given."""

    methods: tuple[str, ...]
    sparsities: tuple[float, ...]
    head_sparsities: tuple[float, ...]

    def trials(self, recipe: "Recipe", arch: "ArchConfig", seeds: range, tokens: int) -> "list[Trial]":
        """Return one trial for every method, sparsity and seed; those of one seed stand together."""
        from dataclasses import replace

        from codesign.patterns import parse_pattern
        from codesign.pruned import kept_count
        from codesign.trials import DENSE, Trial, method_arch
        from sw.pattern import Method, parse_method

        trials = []
        for seed in seeds:
            seeded = replace(recipe, training=replace(recipe.training, seed=seed))
            for text in self.methods:
                if text.partition(":")[0] == DENSE:
                    if text not in (DENSE, f"{DENSE}:trained"):
                        raise ConfigError(f"method {text} must be dense or dense:trained; correct it")
                    trials.append(Trial(None, 0.0, seeded, tokens, arch, trained=text != DENSE))
                    continue
                chosen = parse_method(text.partition(":")[0])
                own = self.head_sparsities if chosen is Method.HEAD else ()
                for sparsity in own or self.sparsities:
                    kept_count(sparsity, 1)
                    pattern = parse_pattern(text, method_arch(chosen, arch), sparsity)
                    trials.append(Trial(pattern, sparsity, seeded, tokens, arch))
        # The same trial under two names would run twice, on one checkpoint.
        return list(dict.fromkeys(trials))


def _report(result: dict[str, Any]) -> None:
    quality = result["quality"]
    note(
        f"{result['method']} at {result['sparsity']:g}, seed {result['seed']}: {quality} "
        f"{result['float'][quality]:.4f}, as integers {result['integer'][quality]:.4f}, "
        f"{result['seconds']:.0f} s"
    )


def _write(report: dict[str, Any], output: Path) -> list[str]:
    """Write figures and plots; return their names."""
    from codesign.quality_pictures import save_quality

    with output_file(output / "evaluation.json") as path:
        path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    return ["evaluation.json", *save_quality(report["summary"], output)]
