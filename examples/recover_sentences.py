"""Prune MiniLM and train what stays to embed as the dense model does; the packed model is one file.

    python examples/recover_sentences.py TEXT -o minilm.mxv
    mixvec embed "Rain is expected." --packed minilm.mxv

TEXT is running text, UTF-8; its last sentences are held out. All but the tables of tokens and positions is
trained; biases and norms travel in the file, which works with MiniLM as it is. Interrupted, the same call
goes on where it was.
"""

import argparse
import sys
from pathlib import Path

from codesign.console import progress
from codesign.whole import compile_model, save_model
from codesign.whole.compilation import DEFAULT_INPUTS
from codesign.whole.sentence_encoder import load_sentence_encoder
from spec.arch import ArchConfig
from sw.augment import Augmentation
from sw.embedding_task import EmbeddingTask
from sw.pattern import Pattern
from sw.prune_model import PruneOptions
from sw.recovery_options import RecoveryOptions, Trained
from sw.sentences import read_sentences
from sw.sparse_model import Recipe, RecoveryMethod
from sw.text import read_text

METADATA_BITS = 1.0
HELD_OUT = 1000


def main() -> int:
    """Train, pack and write."""
    parser = argparse.ArgumentParser(description="recover a pruned MiniLM by distillation")
    parser.add_argument("text", type=Path, metavar="TEXT")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.mxv")
    parser.add_argument("--arch", default="ulx3s")
    parser.add_argument("--sparsity", type=float, default=0.8)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--size", type=int, default=16, help="sentences per step")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--spans", type=float, default=0.0, help="share cut from running text")
    parser.add_argument("--bfloat16", action="store_true", help="faster where it is multiplied in hardware")
    arguments = parser.parse_args()
    arch = ArchConfig.load(arguments.arch)
    encoder = load_sentence_encoder("minilm")
    sentences = read_sentences(read_text(arguments.text), unknown=encoder.tokenizer.unk_token)
    cut = max(len(sentences) - HELD_OUT, len(sentences) * 9 // 10)
    task = EmbeddingTask(
        encoder.tokenizer,
        encoder.model,
        sentences[:cut],
        sentences[cut:],
        augmentation=Augmentation(arguments.spans, 0.0),
    )
    options = RecoveryOptions(
        steps=arguments.steps,
        size=arguments.size,
        learning_rate=arguments.rate,
        distillation=1.0,
        quantized=0.1,
        trained=Trained.NO_TABLES,
        bfloat16=arguments.bfloat16,
    )
    prune = PruneOptions(Pattern(arch, metadata_bits=METADATA_BITS), yielding=True)
    recipe = Recipe(prune, RecoveryMethod.FINE_TUNE, options, batches=8, inputs=DEFAULT_INPUTS)
    with progress("training", arguments.steps, "steps") as advance:
        packed = compile_model(
            encoder.model,
            arch,
            arguments.sparsity,
            task,
            recipe=recipe,
            provenance={"model": "minilm", "sentences": cut},
            checkpoint=arguments.output.with_suffix(".checkpoint"),
            progress=advance,
        )
    save_model(packed, arguments.output)
    print(f"{len(packed.data):,} bytes, {packed.kept:,} weights kept, in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
