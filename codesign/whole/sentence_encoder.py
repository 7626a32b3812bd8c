"""Sentences to embeddings, by a model of the BERT family and its tokenizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from sw.pretrained import load_sentence_model

__all__ = ["PACKED_MINILM", "SentenceEncoder", "load_sentence_encoder"]

PACKED_MINILM: Final = Path(__file__).with_name("minilm.mxv")
"""MiniLM for preset ``ulx3s``, pruned to 80 % and trained by ``mixvec evaluate`` (docs/results.md)."""

_BATCH: Final = 32


class SentenceEncoder:
    """Mean of the last hidden states over the tokens, scaled to length 1.

    Parameters
    ----------
    model : Module
        In evaluation mode; what its layers multiply with is its own affair.
    tokenizer : tokenizer of transformers
    """

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    def batches(self, sentences: Sequence[str], size: int = _BATCH) -> list[dict[str, torch.Tensor]]:
        """Return the model's inputs, ``size`` sentences at a time, padded to the longest of each."""
        starts = range(0, len(sentences), size)
        return [
            dict(
                self.tokenizer(
                    list(sentences[start : start + size]), return_tensors="pt", padding=True, truncation=True
                )
            )
            for start in starts
        ]

    def embed(self, batches: Sequence[dict[str, torch.Tensor]]) -> torch.Tensor:
        """Return the embeddings of the sentences in ``batches``, N x d float32."""
        embeddings = []
        for batch in batches:
            with torch.no_grad():
                states = self.model(**batch).last_hidden_state
            summed = (states * batch["attention_mask"][..., None]).sum(dim=1)
            embeddings.append(functional.normalize(summed, dim=-1))
        return torch.cat(embeddings)


def load_sentence_encoder(source: str) -> SentenceEncoder:
    """Return the encoder in a folder, or ``minilm``. Nothing is downloaded.

    Raises
    ------
    ConfigError
        If there is no such model.
    """
    return SentenceEncoder(*load_sentence_model(source))
