"""Sentence embeddings that should stay what the dense model makes of them."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError
from sw.augment import Augmentation, Augmenter
from sw.batches import draw_neighbours, evenly, pad_rows
from sw.pretrained import evaluating, load_sentence_model
from sw.sentences import read_sentences
from sw.task import Task
from sw.text import read_text

__all__ = ["EmbeddingTask", "SentenceBatch", "load_embedding_task"]

_JUDGE_BATCH: Final = 32


@dataclass(frozen=True, eq=False)
class SentenceBatch:
    """Sentences of about the same length, padded at the end.

    Parameters
    ----------
    ids : Tensor of int64, shape (B, S)
    attention : Tensor of int64, shape (B, S)
        1 where there is a token, 0 where there is padding.
    """

    ids: torch.Tensor
    attention: torch.Tensor


class EmbeddingTask(Task[SentenceBatch]):
    """Self-distillation of a sentence encoder: mean over the tokens, then L2 normalisation.

    There are no labels, so the task keeps a copy of the dense model, and ``loss`` is the distance from
    what that copy makes of the batch. ``outputs`` are the hidden states after every layer, layers x B x S
    x d, zero at the padding: the sum over S of the last has the direction of the embedding. ``measure``
    gives

    - ``cosine``: mean cosine between a judging sentence's embedding and its dense one, the quality;
    - ``cosine_p05``: 5th percentile of that cosine;
    - ``retrieval``: fraction of judging sentences whose nearest other one (by cosine, among the same
      model's embeddings) is the one that the dense model finds;
    - ``cosine_trained``: ``cosine`` over as many training sentences. Where it is the higher one, more text
      would help; where both are low, more training.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
    teacher : Module
        Dense model that returns ``hidden_states``; copied.
    train, test : sequence of str
        Sentences to tune and to judge with. Those of ``train`` that ``test`` also has are left out.
    length : int
        Most tokens of a sentence, its special tokens included; longer ones are cut.
    judge : int
        Most judging sentences, spread evenly over ``test``.
    hidden_weight : float
        Share of the hidden states in ``distance``.
    augmentation : Augmentation, optional
        How the training sentences are varied; not at all if None.

    Raises
    ------
    ConfigError
        If a number is out of range, or there are too few sentences.
    """

    quality = "cosine"
    rising = True
    # Where student and teacher agree, their distance has no gradient.
    probes = True

    def __init__(
        self,
        tokenizer: Any,
        teacher: nn.Module,
        train: Sequence[str],
        test: Sequence[str],
        *,
        length: int = 48,
        judge: int = 1000,
        hidden_weight: float = 0.3,
        augmentation: Augmentation | None = None,
    ) -> None:
        positions = getattr(getattr(teacher, "config", None), "max_position_embeddings", length)
        if not 3 <= length <= positions:
            raise ConfigError(f"length must be between 3 and the model's {positions} tokens, not {length}")
        if judge < 2:
            raise ConfigError(f"judge must be at least 2 sentences, not {judge}; ask for more")
        if hidden_weight < 0:
            raise ConfigError(f"hidden_weight must not be negative, but is {hidden_weight}; 0 leaves it out")
        distinct = list(dict.fromkeys(test))
        judged = [distinct[index] for index in evenly(len(distinct), judge)]
        if len(judged) < 2:
            raise ConfigError(
                f"judging needs at least 2 different sentences, not {len(judged)}; give more text"
            )
        held_out = set(test)
        own = [sentence for sentence in train if sentence not in held_out]
        if not own:
            raise ConfigError("training needs a sentence that judging does not have; give another text")
        self.length = length
        self.judge = judge
        self.hidden_weight = hidden_weight
        self.augmentation = augmentation or Augmentation()
        self._padding = tokenizer.pad_token_id or 0
        rows = _tokenise(tokenizer, own, length)
        vocabulary = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
        self._augmenter = Augmenter(self.augmentation, rows, vocabulary, tokenizer.unk_token_id)
        self._train = sorted(rows, key=len)
        self._judged = sorted(_tokenise(tokenizer, judged, length), key=len)
        self._trained = [self._train[index] for index in evenly(len(self._train), judge)]
        self._teacher = deepcopy(teacher).eval().requires_grad_(False)
        self._dense: tuple[torch.Tensor, torch.Tensor] | None = None

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> SentenceBatch:
        """Return ``size`` different training sentences of neighbouring lengths, each varied.

        Raises
        ------
        ConfigError
            If there are fewer.
        """
        chosen = draw_neighbours(len(self._train), size, generator)
        rows = [self._augmenter.vary(self._train[index], generator) for index in chosen]
        return self._batch(rows, device)

    def outputs(self, model: nn.Module, batch: SentenceBatch) -> torch.Tensor:
        """Return the hidden states after every layer, layers x B x S x d, zero at the padding."""
        found = model(input_ids=batch.ids, attention_mask=batch.attention, output_hidden_states=True)
        # The first are the embeddings of single tokens.
        return torch.stack(found.hidden_states[1:]) * batch.attention[None, :, :, None]

    def loss(self, outputs: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        """Return the distance from the outputs of the task's own dense model."""
        with torch.no_grad():
            teacher = self.outputs(self._teacher.to(batch.ids.device), batch)
        return self.distance(outputs, teacher, batch)

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        """Return 1 - cosine of the embeddings + ``hidden_weight`` x error of the hidden states.

        The error of a layer is the mean square over the tokens in units of the teacher's variance there;
        of all layers the mean counts.
        """
        turned = 1 - functional.cosine_similarity(_pooled(outputs), _pooled(teacher), dim=-1)
        attended = batch.attention.bool()
        wanted = teacher[:, attended]
        errors = (outputs[:, attended] - wanted).square().mean(dim=(1, 2)) / wanted.var(dim=(1, 2))
        return turned.mean() + self.hidden_weight * errors.mean()

    def probe(self, outputs: torch.Tensor, batch: SentenceBatch, generator: torch.Generator) -> torch.Tensor:
        """Return random projections of the embeddings, summed: the dense model's loss has no gradient.

        In the mean their squared gradients are those of all features of the embeddings, the diagonal of
        the Gauss-Newton matrix.
        """
        embeddings = functional.normalize(_pooled(outputs), dim=-1)
        signs = torch.randint(2, embeddings.shape, generator=generator) * 2 - 1
        return (embeddings * signs.to(embeddings)).sum()

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return the figures named above."""
        judged, trained = self._embed(model, self._judged), self._embed(model, self._trained)
        if self._dense is None:
            teacher = self._teacher.to(_device(model))
            self._dense = self._embed(teacher, self._judged), self._embed(teacher, self._trained)
        dense_judged, dense_trained = self._dense
        cosines = (judged * dense_judged).sum(dim=-1)
        agree = _nearest(judged) == _nearest(dense_judged)
        return {
            "cosine": float(cosines.mean()),
            "cosine_p05": float(cosines.quantile(0.05)),
            "retrieval": float(agree.float().mean()),
            "cosine_trained": float((trained * dense_trained).sum(dim=-1).mean()),
        }

    def _embed(self, model: nn.Module, rows: Sequence[list[int]]) -> torch.Tensor:
        """Return the embeddings of tokenised sentences, N x d, on the CPU."""
        device, embeddings = _device(model), []
        with evaluating(model):
            for first in range(0, len(rows), _JUDGE_BATCH):
                batch = self._batch(rows[first : first + _JUDGE_BATCH], device)
                pooled = _pooled(self.outputs(model, batch))
                embeddings.append(functional.normalize(pooled.float(), dim=-1).cpu())
        return torch.cat(embeddings)

    def _batch(self, rows: Sequence[list[int]], device: torch.device) -> SentenceBatch:
        ids = pad_rows(rows, self._padding)
        attention = pad_rows([[1] * len(row) for row in rows], 0)
        return SentenceBatch(ids.to(device), attention.to(device))


def _pooled(outputs: torch.Tensor) -> torch.Tensor:
    """Return the sums of the last layer's states, B x d: the direction of the embeddings."""
    return outputs[-1].sum(dim=1)


def load_embedding_task(
    model_source: str | Path,
    train: Path,
    test: Path | None,
    *,
    length: int = 48,
    judge: int = 1000,
    hidden_weight: float = 0.3,
    augmentation: Augmentation | None = None,
) -> tuple[nn.Module, EmbeddingTask]:
    """Return a sentence encoder, float32 and in evaluation mode, and its task. Nothing is downloaded.

    Parameters
    ----------
    model_source : str or Path
        ``minilm`` or a Hugging Face folder with its tokenizer.
    train : Path
    test : Path, optional
        UTF-8 texts for ``read_sentences``; the last tenth of the sentences of ``train`` if there is no
        ``test``. ``<unk>`` becomes the tokenizer's unknown token in the first, and
        leaves a sentence out in the second.
    length, judge, hidden_weight, augmentation
        As of ``EmbeddingTask``.

    Raises
    ------
    ConfigError
        If a file or the model is missing or unfit, or ``EmbeddingTask`` refuses.
    FormatError
        If a text is not UTF-8.
    """
    texts = [read_text(path) for path in (train, test) if path is not None]
    model, tokenizer = load_sentence_model(model_source)
    # The dense model reads a sentence with unknown words too; judging is left to those that people wrote.
    own = read_sentences(texts[0], unknown=tokenizer.unk_token)
    if test is None:
        cut = len(own) * 9 // 10
        own, judged = own[:cut], own[cut:]
    else:
        judged = read_sentences(texts[1])
    for path, sentences in ((train, own), (test or train, judged)):
        if not sentences:
            raise ConfigError(f"{path.name} has no sentence of 6 to 40 words; give running text")
    task = EmbeddingTask(
        tokenizer,
        model,
        own,
        judged,
        length=length,
        judge=judge,
        hidden_weight=hidden_weight,
        augmentation=augmentation,
    )
    return model, task


def _tokenise(tokenizer: Any, sentences: list[str], length: int) -> list[list[int]]:
    """Return the token ids of every sentence, special tokens included."""
    rows: list[list[int]] = tokenizer(sentences, truncation=True, max_length=length)["input_ids"]
    return rows


def _nearest(embeddings: torch.Tensor) -> torch.Tensor:
    """Return for every embedding the index of the nearest other one."""
    return (embeddings @ embeddings.T).fill_diagonal_(-torch.inf).argmax(dim=1)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
