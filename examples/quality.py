"""Recipes of the quality figures in docs/results.md: each runs `mixvec evaluate` and joins its reports.

    python examples/quality.py character --train TEXT --models M0 M1 M2 -o OUT
    python examples/quality.py longer    --train TEXT --models M0 M1 M2 -o OUT
    python examples/quality.py ablation  --train TEXT --models M0 M1 M2 -o OUT
    python examples/quality.py sentences --train VALID --test TEST --models minilm -o OUT
    python examples/quality.py paper-gpt2 --train TRAIN --test TEST --models gpt2 -o OUT
    python examples/quality.py paper-bert --train TRAIN.json --test DEV.json --models BERT -o OUT

Model number i is run with seed i; one model alone is run with seeds 0 to 2, or as many as `--seeds` says.
Models of `character` are what `examples/train_character_model.py` makes, with `--seed i`. Interrupted runs
resume: results are kept in OUT.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codesign.cli import main as mixvec
from codesign.console import print_tables
from codesign.evaluation import summarize
from codesign.quality_pictures import save_quality
from codesign.quality_tables import quality_table


@dataclass(frozen=True)
class Step:
    """One call of `mixvec evaluate`; ``label`` names its line instead of the method."""

    options: str
    label: str | None = None


FIXED: Final = "--method vector:4 --method vector:8 --method vector:16"
BLOCKS: Final = "--method block:4 --method block:8 --method block:16 --method block:32"
MIXED: Final = "--method mixed-vector:1"
OTHERS: Final = f"--method fine-grained --method n-m {FIXED} {BLOCKS} --method head"
MAIN: Final = "--method fine-grained --method block:4 --method n-m --method head"
CHARACTER: Final = "--steps 500 --size 16 --distillation 0.9 --ramp 0.5 --quantized 0.1"
LONGER: Final = CHARACTER.replace("--steps 500", "--steps 1500")
ONE_CUT: Final = "--method mixed-vector:0.6 --sparsity 0.8"
SENTENCES: Final = (
    "--steps 300 --size 16 --learning-rate 1e-3 --ramp 0.5 --interval 20 --distillation 1 --quantized 0.1 "
    "--batches 8 --trained no-tables --bfloat16 --input-scales token --smoothing 0.7"
)

RECIPES: Final[dict[str, tuple[Step, ...]]] = {
    "character": (
        Step(
            f"{CHARACTER} {MIXED} {OTHERS} --method dense --method dense:trained --method mixed-vector:0.6 "
            f"--sparsity 0.8 --head-sparsity 0.24"
        ),
        Step(f"{CHARACTER} {MIXED} {MAIN} --sparsity 0.7 --head-sparsity 0.22"),
        Step(f"{CHARACTER} {MIXED} {MAIN} --sparsity 0.6 --head-sparsity 0.13"),
    ),
    "longer": (Step(f"{LONGER} {MIXED} --method fine-grained --sparsity 0.7 --sparsity 0.6"),),
    "ablation": (
        Step(f"{CHARACTER} {ONE_CUT}", "everything"),
        Step(f"{CHARACTER} {ONE_CUT} --direction variance", "direction by variance"),
        Step(f"{CHARACTER} {ONE_CUT} --no-grouping", "no grouping"),
        Step(f"{CHARACTER} --method vector:8 --sparsity 0.8", "no mixing: vectors of 8"),
        Step(f"{CHARACTER} {ONE_CUT} --distillation 0", "no distillation"),
        Step(f"{CHARACTER} {ONE_CUT} --score magnitude", "magnitude instead of Fisher"),
        Step(f"{CHARACTER} {ONE_CUT} --allocation matrix", "one density for all matrices"),
        Step(f"{CHARACTER} {ONE_CUT} --recovery one-shot", "one-shot without training"),
        Step(f"{CHARACTER} {ONE_CUT} --recovery one-shot --no-refit", "the same without compensation"),
        Step(f"{CHARACTER} {ONE_CUT} --recovery none", "one cut, no recovery"),
    ),
    "sentences": (
        Step(f"{SENTENCES} {MIXED} {OTHERS} --method dense --sparsity 0.8 --head-sparsity 0.24"),
        Step(f"{SENTENCES} {MIXED} {OTHERS} --sparsity 0.7 --head-sparsity 0.22"),
        Step(f"{SENTENCES} {MIXED} {OTHERS} --sparsity 0.6 --head-sparsity 0.13"),
    ),
    "paper-gpt2": tuple(
        Step(f"--learning-rate 1e-4 --steps 10000 --size 8 --distillation 0.9 {MIXED} {OTHERS} {budget}")
        for budget in (
            "--method dense --sparsity 0.8 --head-sparsity 0.24",
            "--sparsity 0.7 --head-sparsity 0.22",
            "--sparsity 0.6 --head-sparsity 0.13",
        )
    ),
    "paper-bert": tuple(
        Step(f"--learning-rate 5e-5 --steps 20000 --size 16 --distillation 0.9 {MIXED} {OTHERS} {budget}")
        for budget in (
            "--method dense --sparsity 0.8 --head-sparsity 0.24",
            "--sparsity 0.7 --head-sparsity 0.22",
            "--sparsity 0.6 --head-sparsity 0.13",
        )
    ),
}


def run(
    step: Step, model: str, seeds: tuple[int, int], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Evaluate one model; return its results."""
    folder = arguments.output / f"{Path(model).name}-{seeds[0]}"
    call = ["evaluate", model, "--train", str(arguments.train), "-o", str(folder), *step.options.split()]
    call += ["--seed", str(seeds[0]), "--seeds", str(seeds[1]), "--jobs", str(arguments.jobs)]
    if arguments.test is not None:
        call += ["--test", str(arguments.test)]
    for option in ("steps", "arch", "judge"):
        if getattr(arguments, option) is not None:
            call += [f"--{option}", str(getattr(arguments, option))]
    status = mixvec(call)
    if status:
        raise SystemExit(status)
    results: list[dict[str, Any]] = json.loads((folder / "evaluation.json").read_text())["results"]
    for result in results:
        result["method"] = step.label or result["method"]
    return results


def main() -> int:
    """Run one recipe on all models; print the joint table and write it with its plots."""
    parser = argparse.ArgumentParser(description="Quality figures of docs/results.md.")
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--arch")
    parser.add_argument("--judge", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    arguments.output.mkdir(parents=True, exist_ok=True)
    alone = len(arguments.models) == 1
    results = []
    for step in RECIPES[arguments.recipe]:
        for number, model in enumerate(arguments.models):
            results += run(step, model, (0, arguments.seeds) if alone else (number, 1), arguments)
    summary = summarize(results)
    report = {"recipe": arguments.recipe, "summary": summary, "results": results}
    (arguments.output / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n")
    print_tables(quality_table(summary), ", ".join(save_quality(summary, arguments.output)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
