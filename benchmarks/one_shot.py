"""Pruning without training: how near MiniLM's integers come to the dense model, by cuts and by calibration.

    python -m benchmarks.one_shot VALIDATION TEST

VALIDATION and TEST are running text, UTF-8: 512 sentences of the first are refitted on, 300 of the second
judged; both are drawn with seed 0. `compile_model` by itself cuts four times and refits on the sentences that
come along.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from codesign.whole import compile_model
from codesign.whole.compilation import default_recipe
from codesign.whole.sentence_encoder import SentenceEncoder, load_sentence_encoder
from spec.arch import ArchConfig
from sw.calibration import SENTENCES
from sw.sentences import read_sentences
from sw.text import read_text

ARCH: Final = ArchConfig.load("ulx3s")
SPARSITIES: Final = (0.8, 0.5)
REFITTED, JUDGED, BATCH = 512, 300, 16


def drawn(path: Path, count: int) -> list[str]:
    """Return ``count`` sentences of a text."""
    sentences = read_sentences(read_text(path))
    return [sentences[place] for place in np.random.default_rng(0).permutation(len(sentences))[:count]]


def main() -> None:
    """Print the cosine of every way."""
    parser = argparse.ArgumentParser(description="pruning without training")
    parser.add_argument("validation", type=Path, metavar="VALIDATION")
    parser.add_argument("test", type=Path, metavar="TEST")
    arguments = parser.parse_args()
    encoder, judged = load_sentence_encoder("minilm"), drawn(arguments.test, JUDGED)
    dense = encoder.embed(encoder.batches(judged))
    texts = {"built in": list(SENTENCES), "VALIDATION": drawn(arguments.validation, REFITTED)}
    print("| sparsity | cuts | refitted on | sentences | cosine | seconds |\n|---|---|---|---|---|---|")
    for sparsity in SPARSITIES:
        for cuts, name in ((1, "built in"), (4, "built in"), (1, "VALIDATION")):
            batches = encoder.batches(texts[name], BATCH)
            recipe = replace(default_recipe(ARCH, len(batches)), stages=cuts)
            started = time.process_time()
            packed = compile_model(encoder.model, ARCH, sparsity, batches, recipe=recipe)
            seconds = time.process_time() - started
            whole = packed.integer_model(encoder.model)
            own = SentenceEncoder(whole, encoder.tokenizer)
            cosine = float((own.embed(own.batches(judged)) * dense).sum(dim=1).mean())
            count = len(texts[name])
            print(f"| {sparsity} | {cuts} | {name} | {count} | {cosine:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
