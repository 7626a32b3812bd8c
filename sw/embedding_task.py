"""Sentence embeddings that should stay what the dense model makes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError, FormatError
from sw.models import model_folder
from sw.sentences import read_sentences
from sw.task import Task

__all__ = [
    "EmbeddingTask",
    "SentenceBatch",
    "draw_neighbours",
    "evaluating",
    "evenly",
    "load_embedding_task",
    "load_pretrained",
    "pad_rows",
    "read_text",
]

# Window of neighbours in length, in batches, of which a batch is drawn: mixes, and pads little.
_WINDOW: Final = 4
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
    what that copy makes of the batch. ``outputs`` are the last hidden states, B x S x d, zero at the
    padding: their sum over S has the direction of the embedding. ``measure`` gives

    - ``cosine``: mean cosine between a judging sentence's embedding and its dense one, the quality;
    - ``cosine_p05``: 5th percentile of that cosine;
    - ``retrieval``: fraction of judging sentences whose nearest other one (by cosine, among the same
      model's embeddings) is the one that the dense model finds.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
    teacher : Module
        Dense model that returns ``last_hidden_state``; copied.
    train, test : sequence of str
        Sentences to tune and to judge with. Those of ``train`` that ``test`` also has are left out.
    length : int
        Most tokens of a sentence, its special tokens included; longer ones are cut.
    judge : int
        Most judging sentences, spread evenly over ``test``.
    hidden_weight : float
        Share of the hidden states in ``distance``.

    Raises
    ------
    ConfigError
        If a number is out of range, or there are too few sentences.
    """

    quality = "cosine"
    rising = True

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
        self._padding = tokenizer.pad_token_id or 0
        self._train = _tokenise(tokenizer, own, length)
        self._judged = _tokenise(tokenizer, judged, length)
        self._teacher = deepcopy(teacher).eval().requires_grad_(False)
        self._dense: torch.Tensor | None = None

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> SentenceBatch:
        """Return ``size`` different training sentences of neighbouring lengths.

        Raises
        ------
        ConfigError
            If there are fewer.
        """
        chosen = draw_neighbours(len(self._train), size, generator)
        return self._batch([self._train[index] for index in chosen], device)

    def outputs(self, model: nn.Module, batch: SentenceBatch) -> torch.Tensor:
        """Return the last hidden states, B x S x d, zero at the padding."""
        hidden: torch.Tensor = model(input_ids=batch.ids, attention_mask=batch.attention).last_hidden_state
        return hidden * batch.attention[:, :, None]

    def loss(self, outputs: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        """Return the distance from the outputs of the task's own dense model."""
        with torch.no_grad():
            teacher = self.outputs(self._teacher.to(batch.ids.device), batch)
        return self.distance(outputs, teacher, batch)

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        """Return 1 - cosine of the embeddings + ``hidden_weight`` x error of the hidden states.

        The error is the mean square over the tokens in units of the teacher's variance there.
        """
        turned = 1 - functional.cosine_similarity(outputs.sum(dim=1), teacher.sum(dim=1), dim=-1)
        attended = batch.attention.bool()
        wanted = teacher[attended]
        error = functional.mse_loss(outputs[attended], wanted) / wanted.var()
        return turned.mean() + self.hidden_weight * error

    def probe(
        self, outputs: torch.Tensor, batch: SentenceBatch, generator: torch.Generator
    ) -> torch.Tensor:
        """Return random projections of the embeddings, summed: the dense model's loss has no gradient.

        In the mean their squared gradients are those of all features of the embeddings, the diagonal of
        the Gauss-Newton matrix.
        """
        embeddings = functional.normalize(outputs.sum(dim=1), dim=-1)
        signs = torch.randint(2, embeddings.shape, generator=generator) * 2 - 1
        return (embeddings * signs.to(embeddings)).sum()

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return ``cosine``, ``cosine_p05`` and ``retrieval`` over the judging sentences."""
        embeddings = self._embed(model)
        if self._dense is None:
            self._dense = self._embed(self._teacher.to(_device(model)))
        cosines = (embeddings * self._dense).sum(dim=-1)
        agree = _nearest(embeddings) == _nearest(self._dense)
        return {
            "cosine": float(cosines.mean()),
            "cosine_p05": float(cosines.quantile(0.05)),
            "retrieval": float(agree.float().mean()),
        }

    def _embed(self, model: nn.Module) -> torch.Tensor:
        """Return the embeddings of the judging sentences by length, N x d, on the CPU."""
        device, embeddings = _device(model), []
        with evaluating(model):
            for first in range(0, len(self._judged), _JUDGE_BATCH):
                batch = self._batch(self._judged[first : first + _JUDGE_BATCH], device)
                pooled = self.outputs(model, batch).sum(dim=1)
                embeddings.append(functional.normalize(pooled.float(), dim=-1).cpu())
        return torch.cat(embeddings)

    def _batch(self, rows: Sequence[list[int]], device: torch.device) -> SentenceBatch:
        ids = pad_rows(rows, self._padding)
        attention = pad_rows([[1] * len(row) for row in rows], 0)
        return SentenceBatch(ids.to(device), attention.to(device))


def load_embedding_task(
    model_source: str | Path,
    train: Path,
    test: Path,
    *,
    length: int = 48,
    judge: int = 1000,
    hidden_weight: float = 0.3,
) -> tuple[nn.Module, EmbeddingTask]:
    """Return a sentence encoder, float32 and in evaluation mode, and its task. Nothing is downloaded.

    Parameters
    ----------
    model_source : str or Path
        ``minilm`` or a Hugging Face folder with its tokenizer.
    train, test : Path
        UTF-8 texts for ``read_sentences``.
    length, judge, hidden_weight
        As of ``EmbeddingTask``.

    Raises
    ------
    ConfigError
        If a file or the model is missing or unfit, or ``EmbeddingTask`` refuses.
    FormatError
        If a text is not UTF-8.
    """
    from transformers import AutoModel  # other commands run without its slow import

    texts = []
    for path in (train, test):
        texts.append(read_sentences(read_text(path)))
        if not texts[-1]:
            raise ConfigError(f"{path.name} has no sentence of 6 to 40 words; give running text")
    source = model_folder() if str(model_source) == "minilm" else Path(model_source)
    if not source.is_dir():
        raise ConfigError(
            f"embeddings need `minilm` or a model folder, and {model_source} is neither; check it"
        )
    model, tokenizer = load_pretrained(source, AutoModel)
    task = EmbeddingTask(tokenizer, model, *texts, length=length, judge=judge, hidden_weight=hidden_weight)
    return model, task


def load_pretrained(source: str | Path, kind: Any) -> tuple[nn.Module, Any]:
    """Return a model, float32 and in evaluation mode, and its tokenizer.

    Parameters
    ----------
    source : str or Path
        A Hugging Face folder, of which nothing is downloaded, or a name on the hub.
    kind : class of transformers
        ``AutoModel`` or one for a task.

    Raises
    ------
    ConfigError
        If transformers cannot run it, or weights other than the pooler's are missing.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    name = Path(source).name
    local = Path(source).is_dir()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(source), local_files_only=local)
        model, info = kind.from_pretrained(
            str(source), local_files_only=local, dtype=torch.float32, output_loading_info=True
        )
    # Damaged folders fail in whatever the reader meets first: JSON, safetensors, pickle or shape errors.
    except Exception as error:
        reason = str(error).split("\n")[0][:120]
        raise ConfigError(f"{name} is not a model that transformers can run ({reason})") from None
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise ConfigError(
            f"{name} lacks {len(missing)} weights of its model, {missing[0]} first; train it first"
        )
    module: nn.Module = model.eval()
    return module, tokenizer


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises
    ------
    ConfigError
        If it cannot be read.
    FormatError
        If it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path.name} must be UTF-8, and byte {error.start} is not; convert it") from None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch ``model`` to evaluation without gradients; every module's training flag comes back."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        # Not `inference_mode`: what a model caches in it would be unfit for training.
        with torch.no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training


def draw_neighbours(count: int, size: int, generator: torch.Generator) -> list[int]:
    """Return ``size`` different indices below ``count`` from a random window of a few times ``size``.

    Raises
    ------
    ConfigError
        If ``size`` is not between 1 and ``count``.
    """
    if not 1 <= size <= count:
        raise ConfigError(f"a batch must have between 1 and the {count} training samples, not {size}")
    window = min(count, _WINDOW * size)
    centre = int(torch.randint(count, (), generator=generator))
    first = min(max(0, centre - window // 2), count - window)
    chosen = torch.randperm(window, generator=generator)[:size] + first
    return [int(index) for index in chosen.sort().values]


def pad_rows(rows: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
    """Return rows of numbers as one matrix of int64, padded at the end."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def evenly(count: int, most: int) -> list[int]:
    """Return at most ``most`` indices below ``count``, spread evenly, in order."""
    kept = min(most, count)
    return [index * count // kept for index in range(kept)]


def _tokenise(tokenizer: Any, sentences: list[str], length: int) -> list[list[int]]:
    """Return the token ids of every sentence, shortest first."""
    rows: list[list[int]] = tokenizer(sentences, truncation=True, max_length=length)["input_ids"]
    return sorted(rows, key=len)


def _nearest(embeddings: torch.Tensor) -> torch.Tensor:
    """Return for every embedding the index of the nearest other one."""
    return (embeddings @ embeddings.T).fill_diagonal_(-torch.inf).argmax(dim=1)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
