"""What the integers of inputs cost: MiniLM's cosine to its dense self, by scales and by smoothing.

    python -m benchmarks.input_scales VALIDATION TEST

VALIDATION and TEST are running text, UTF-8: 256 sentences of the first calibrate, 300 of the second are
judged; both are drawn with seed 0. `dense` is the model as it is with 8-bit weights; `0.5` is pruned one-shot
in one cut. The last column leaves inputs in floating point: no quantization of them can exceed it by much.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

from torch import nn

from benchmarks.one_shot import ARCH, BATCH, drawn
from codesign.pruned import kept_count
from codesign.whole.compilation import default_recipe
from codesign.whole.sentence_encoder import SentenceEncoder, load_sentence_encoder
from sw.input_batches import InputBatches
from sw.input_quantizer import InputOptions
from sw.sparse_model import RecoveryMethod, sparsify
from sw.targets import find_targets

STRENGTHS: Final = (0.0, 0.5, 0.7, 0.85)
CALIBRATED, JUDGED = 256, 300


class Judge:
    """Measures models by the sentences of a text.

    Parameters
    ----------
    encoder : SentenceEncoder
        The dense model's.
    text : Path
    """

    def __init__(self, encoder: SentenceEncoder, text: Path) -> None:
        self.encoder = encoder
        self.batches = encoder.batches(drawn(text, JUDGED))
        self.dense = encoder.embed(self.batches)

    def cosine(self, model: nn.Module) -> float:
        """Return the mean cosine of its embeddings to the dense model's."""
        own = SentenceEncoder(model, self.encoder.tokenizer).embed(self.batches)
        return float((own * self.dense).sum(dim=1).mean())


def main() -> None:
    """Print one row per model and kind of scale."""
    parser = argparse.ArgumentParser(description="scales of inputs and smoothing")
    parser.add_argument("validation", type=Path, metavar="VALIDATION")
    parser.add_argument("test", type=Path, metavar="TEST")
    arguments = parser.parse_args()
    judge = Judge(load_sentence_encoder("minilm"), arguments.test)
    batches = judge.encoder.batches(drawn(arguments.validation, CALIBRATED), BATCH)
    smoothed = " | ".join("not smoothed" if not one else f"smoothed {one:g}" for one in STRENGTHS)
    print(f"| model | a scale per | {smoothed} | floating point |\n|---|---|{'---|' * len(STRENGTHS)}---|")
    for name, sparsity, recovery in (("dense", 0.0, "none"), ("0.5", 0.5, "one-shot")):
        model = load_sentence_encoder("minilm").model
        weights = sum(its.rows * its.cols for its in find_targets(model).values())
        recipe = replace(default_recipe(ARCH, len(batches)), recovery=RecoveryMethod(recovery), stages=1)
        sparse = sparsify(model, InputBatches(batches), kept_count(sparsity, weights), recipe)
        bound = judge.cosine(sparse.model)
        for per_token in (False, True):
            found = []
            for strength in STRENGTHS:
                sparse.rounding.options = InputOptions(per_token, strength)
                found.append(judge.cosine(sparse.integer_model(ARCH, sparse.inputs())))
            print_row(name, per_token, found, bound)


def print_row(name: str, per_token: bool, found: list[float], bound: float) -> None:
    """Print one line of the table."""
    cells = [f"{one:.4f}" for one in found] + [""] * (len(STRENGTHS) - len(found))
    print(
        f"| {name} | {'token' if per_token else 'tensor'} | {' | '.join(cells)} | {bound:.4f} |", flush=True
    )


if __name__ == "__main__":
    main()
