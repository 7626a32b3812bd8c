"""Does a search over 30 sentences find what the dense model finds? MiniLM's integers against its float32.

    python -m benchmarks.ranking TEXT
    python -m benchmarks.ranking TEXT --packed minilm.mxv

First 60 queries that have an answer (`benchmarks/answered_queries.py`), as people search. Then TEXT, running
text that was held out, UTF-8: every second sentence that `read_sentences` finds is a query, the one before it
belongs to the corpus; 10 corpora of 30 sentences and 30 queries each are drawn. Related queries search the
corpus that holds their neighbour, unrelated ones the next corpus. The integer model is
`sw.int8.int8_model`, to which every backend is equal bit for bit; `--pytorch` judges PyTorch's own dynamic
int8 of the dense model instead.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from benchmarks.answered_queries import CORPUS, QUERIES
from benchmarks.whole_models import int8_copy
from codesign.whole import load_model
from codesign.whole.sentence_encoder import PACKED_MINILM, SentenceEncoder, load_sentence_encoder
from sw.sentences import read_sentences
from sw.text import read_text

CORPORA: Final = 10
SIZE: Final = 30


def first_places(queries: torch.Tensor, corpus: torch.Tensor) -> torch.Tensor:
    """Return for every query the index of the nearest sentence; CORPORA x SIZE, embeddings behind."""
    return (queries @ corpus.transpose(1, 2)).argmax(dim=2)


def answered(encoder: SentenceEncoder, integers: nn.Module) -> None:
    """Print how 60 queries fare whose answers are known."""
    answers = torch.arange(len(CORPUS)).repeat_interleave(2)
    found = []
    for model in (encoder.model, integers):
        own = SentenceEncoder(model, encoder.tokenizer)
        corpus, queries = (own.embed(own.batches(texts)) for texts in (CORPUS, QUERIES))
        found.append((queries @ corpus.T).argmax(dim=1))
    same = (found[0] == found[1]).float().mean()
    right = [(places == answers).float().mean() for places in found]
    print(f"answered: the same sentence first in {same:.1%} of {len(QUERIES)} queries")
    print("  the answer first: dense {:.1%}, packed {:.1%}".format(*right))


def main() -> None:
    """Print cosines and agreement."""
    parser = argparse.ArgumentParser(description="search by the packed model against the dense one")
    parser.add_argument("text", type=Path, metavar="TEXT")
    parser.add_argument("--packed", type=Path, metavar="FILE.mxv", default=PACKED_MINILM)
    parser.add_argument("--pytorch", action="store_true", help="PyTorch's own int8, nothing pruned")
    arguments = parser.parse_args()
    encoder, packed = load_sentence_encoder("minilm"), load_model(arguments.packed)
    sentences = read_sentences(read_text(arguments.text))
    drawn = np.random.default_rng(0).permutation(len(sentences) // 2)[: CORPORA * SIZE]
    if arguments.pytorch:
        print("PyTorch's dynamic int8, nothing pruned")
        integers = int8_copy(encoder.model)
    else:
        print(f"{arguments.packed.name}: {packed.provenance}")
        integers = packed.integer_model(encoder.model)

    def embed(model: nn.Module, offset: int) -> torch.Tensor:
        own = SentenceEncoder(model, encoder.tokenizer)
        found = own.embed(own.batches([sentences[2 * place + offset] for place in drawn]))
        return found.reshape(CORPORA, SIZE, -1)

    answered(encoder, integers)
    dense, whole = ([embed(model, offset) for offset in (0, 1)] for model in (encoder.model, integers))
    cosines = (torch.stack(dense) * torch.stack(whole)).sum(dim=-1)
    print(f"cosine to the dense model {cosines.mean():.4f}, 5th percentile {cosines.quantile(0.05):.4f}")
    for name, shift in (("related", 0), ("unrelated", 1)):
        wanted, got = (first_places(queries.roll(shift, 0), corpus) for corpus, queries in (dense, whole))
        same = (wanted == got).float().mean()
        print(f"{name}: the same sentence first in {same:.1%} of {got.numel()} queries")
        if shift == 0:
            neighbours = [(places == torch.arange(SIZE)).float().mean() for places in (wanted, got)]
            print("  the neighbour first: dense {:.1%}, packed {:.1%}".format(*neighbours))


if __name__ == "__main__":
    main()
