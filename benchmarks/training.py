"""Training MiniLM while it is pruned: seconds per step, in float32 and in bfloat16.

    python -m benchmarks.training TEXT

TEXT is running text, UTF-8. The two take turns, a few steps each, on one thread; no masks are searched.
Whether bfloat16 pays depends on the processor: `lscpu` shows `amx_bf16` where it multiplies that in hardware.
"""

import argparse
import copy
import statistics
import time
from pathlib import Path
from typing import Final

import torch

from codesign.whole.sentence_encoder import load_sentence_encoder
from sw.embedding_task import EmbeddingTask
from sw.recovery import Recovery
from sw.recovery_options import RecoveryOptions, Trained
from sw.sentences import read_sentences
from sw.targets import find_targets
from sw.text import read_text

SIZES: Final = (16, 32)
ROUNDS, STEPS = 5, 4


def seconds_per_step(encoder: torch.nn.Module, task: EmbeddingTask, size: int, *, bfloat16: bool) -> float:
    """Return the processor time of a step, the first one left out."""
    options = RecoveryOptions(
        steps=STEPS + 1, size=size, distillation=1.0, trained=Trained.NO_TABLES, bfloat16=bfloat16
    )
    model, times = copy.deepcopy(encoder), []
    run = Recovery(model, find_targets(model), task, None, 0, options)
    run.run(progress=lambda done: times.append(time.process_time()))
    return (times[-1] - times[0]) / STEPS


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description="steps of training")
    parser.add_argument("text", type=Path, metavar="TEXT")
    torch.set_num_threads(1)
    encoder = load_sentence_encoder("minilm")
    sentences = read_sentences(read_text(parser.parse_args().text))
    task = EmbeddingTask(encoder.tokenizer, encoder.model, sentences[:-2], sentences[-2:])
    print("| sentences per step | float32, s | bfloat16, s | times faster |\n|---|---|---|---|")
    for size in SIZES:
        rounds = [
            [seconds_per_step(encoder.model, task, size, bfloat16=half) for half in (False, True)]
            for _ in range(ROUNDS)
        ]
        exact, half = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(one / other for one, other in rounds)
        print(f"| {size} | {exact:.2f} | {half:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
