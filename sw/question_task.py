"""Extractive question answering in the format of SQuAD v1.1."""

import json
import re
import string
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError, FormatError
from sw.batches import draw_neighbours, evenly, pad_rows
from sw.pretrained import evaluating, load_pretrained
from sw.task import Task
from sw.text import read_text

__all__ = [
    "Question",
    "QuestionBatch",
    "QuestionTask",
    "exact_match",
    "load_question_task",
    "overlap_f1",
    "read_questions",
]

# Logit of padding: e^-10000 is 0, and differences stay finite in half precision too.
_MASKED: Final = -1e4
# Of SQuAD's evaluation with BERT: best starts and ends looked at, and tokens of an answer.
_BEST: Final = 20
_ANSWER_TOKENS: Final = 30
_JUDGE_BATCH: Final = 8
# Questions tokenised at once; their offsets take far more memory than their tokens.
_CHUNK: Final = 256
_KINDS: Final = {list: "a list", str: "a text", int: "a whole number"}


@dataclass(frozen=True)
class Question:
    """A question on a text, with its accepted answers.

    Parameters
    ----------
    context, question : str
    answers : tuple of str
        At least one; training asks for the first.
    start : int
        Where the first answer begins in ``context``, in characters.
    """

    context: str
    question: str
    answers: tuple[str, ...]
    start: int


@dataclass(frozen=True, eq=False)
class QuestionBatch:
    """Windows of question and context of about the same length, padded at the end.

    Parameters
    ----------
    ids, attention : Tensor of int64, shape (B, S)
        Attention is 1 where there is a token, 0 where there is padding.
    types : Tensor of int64, shape (B, S), or None
        Segments, if the tokenizer has them.
    labels : Tensor of int64, shape (B, 2)
        First and last token of the answer; 0 and 0 if the window does not have all of it.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    types: torch.Tensor | None
    labels: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Window:
    """A question and as much of its context as fits; ``offsets`` of the tokens from ``first`` on."""

    question: int
    # `array` takes no type at run time before Python 3.12.
    ids: "array[int]"
    types: "array[int] | None"
    label: tuple[int, int]
    first: int
    offsets: Sequence[tuple[int, int]]


class QuestionTask(Task[QuestionBatch]):
    """Find the answer to a question in a text: one start and one end among the tokens.

    ``outputs`` are the logits of start and end, B x S x 2, strongly negative at the padding; ``loss``
    is the mean of their cross entropies, ``distance`` the mean of their divergences from the dense
    model's distributions. ``measure`` gives ``f1``, the quality, and ``exact`` in percent, as SQuAD
    v1.1 defines them, for the best span of at most 30 tokens over all windows of a question.

    Parameters
    ----------
    tokenizer : fast tokenizer of transformers
    train, test : sequence of Question
        To tune and to judge with.
    length : int
        Most tokens of a window: question, context and special tokens.
    stride : int
        Tokens that neighbouring windows of a context share.
    judge : int
        Most judging questions, spread evenly over ``test``.

    Raises
    ------
    ConfigError
        If a number is out of range, a question leaves no room for its context, there are no
        questions, or the tokenizer does not tell where its tokens come from.
    """

    quality = "f1"
    rising = True

    def __init__(
        self,
        tokenizer: Any,
        train: Sequence[Question],
        test: Sequence[Question],
        *,
        length: int = 384,
        stride: int = 128,
        judge: int = 1000,
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigError(f"answers need a fast tokenizer, not {type(tokenizer).__name__}; convert it")
        if stride < 0:
            raise ConfigError(f"stride must not be negative, but is {stride}; 128 is usual")
        if judge < 1:
            raise ConfigError(f"judge must be at least 1 question, not {judge}; ask for more")
        if not train or not test:
            raise ConfigError(f"both splits need questions, and have {len(train)} and {len(test)}; give more")
        self.length = length
        self.stride = stride
        self.judge = judge
        self._padding = tokenizer.pad_token_id or 0
        self._questions = [test[index] for index in evenly(len(test), judge)]
        windows = _windows(tokenizer, train, length, stride, offsets=False)
        self._train = sorted(windows, key=_size)
        judged = _windows(tokenizer, self._questions, length, stride, offsets=True)
        self._judged = sorted(judged, key=_size)

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> QuestionBatch:
        """Return ``size`` different training windows of neighbouring lengths.

        Raises
        ------
        ConfigError
            If there are fewer.
        """
        chosen = draw_neighbours(len(self._train), size, generator)
        return self._batch([self._train[index] for index in chosen], device)

    def outputs(self, model: nn.Module, batch: QuestionBatch) -> torch.Tensor:
        """Return the logits of start and end, B x S x 2."""
        types = {} if batch.types is None else {"token_type_ids": batch.types}
        made = model(input_ids=batch.ids, attention_mask=batch.attention, **types)
        logits = torch.stack([made.start_logits, made.end_logits], dim=-1)
        return logits.masked_fill(batch.attention[:, :, None] == 0, _MASKED)

    def loss(self, outputs: torch.Tensor, batch: QuestionBatch) -> torch.Tensor:
        """Return the mean cross entropy of start and end in nats."""
        return functional.cross_entropy(outputs, batch.labels)

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: QuestionBatch) -> torch.Tensor:
        """Return the mean Kullback-Leibler divergence of start and end from the teacher in nats."""
        student, wanted = outputs.log_softmax(dim=1), teacher.log_softmax(dim=1)
        divergence = functional.kl_div(student, wanted, reduction="none", log_target=True)
        return divergence.sum(dim=1).mean()

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return ``f1`` and ``exact`` in percent over the judging questions."""
        device = next(model.parameters()).device
        best = [(-torch.inf, "")] * len(self._questions)
        with evaluating(model):
            for first in range(0, len(self._judged), _JUDGE_BATCH):
                windows = self._judged[first : first + _JUDGE_BATCH]
                logits = self.outputs(model, self._batch(windows, device)).float().cpu()
                for window, scores in zip(windows, logits, strict=True):
                    context = self._questions[window.question].context
                    best[window.question] = max(
                        best[window.question], _best_span(scores, window, context), key=lambda span: span[0]
                    )
        pairs = [(text, question.answers) for (_, text), question in zip(best, self._questions, strict=True)]
        return {
            "f1": 100 * sum(overlap_f1(text, answers) for text, answers in pairs) / len(pairs),
            "exact": 100 * sum(exact_match(text, answers) for text, answers in pairs) / len(pairs),
        }

    def _batch(self, windows: Sequence[_Window], device: torch.device) -> QuestionBatch:
        attention = pad_rows([[1] * _size(window) for window in windows], 0)
        types = [window.types for window in windows if window.types is not None]
        return QuestionBatch(
            pad_rows([window.ids for window in windows], self._padding).to(device),
            attention.to(device),
            pad_rows(types, 0).to(device) if types else None,
            torch.tensor([window.label for window in windows], device=device),
        )


def load_question_task(
    model_source: str | Path,
    train: Path,
    test: Path | None,
    *,
    length: int = 384,
    stride: int = 128,
    judge: int = 1000,
) -> tuple[nn.Module, QuestionTask]:
    """Return a question answering model, float32 and in evaluation mode, and its task.

    Parameters
    ----------
    model_source : str or Path
        A Hugging Face folder with its tokenizer, or a name on the hub.
    train : Path
    test : Path, optional
        JSON files for ``read_questions``; the last tenth of ``train`` if there is no ``test``.
    length, stride, judge
        As of ``QuestionTask``.

    Raises
    ------
    ConfigError
        If a file or the model is missing or unfit, or ``QuestionTask`` refuses.
    FormatError
        If a file is not in the format.
    """
    from transformers import AutoModelForQuestionAnswering  # other commands run without its slow import

    questions = [read_questions(path) for path in (train, test) if path is not None]
    if test is None:
        cut = len(questions[0]) * 9 // 10
        questions = [questions[0][:cut], questions[0][cut:]]
    model, tokenizer = load_pretrained(model_source, AutoModelForQuestionAnswering)
    positions = getattr(model.config, "max_position_embeddings", length)
    if length > positions:
        raise ConfigError(f"length must be at most the model's {positions} tokens, not {length}; lower it")
    return model, QuestionTask(tokenizer, *questions, length=length, stride=stride, judge=judge)


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a JSON file in the format of SQuAD v1.1, in order.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    FormatError
        If it is not in the format; the message names the place.
    """
    try:
        root = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(f"{path.name} is not JSON ({error}); fetch it again") from None
    questions = []
    for article, place in _items(root, "data", path.name):
        for paragraph, inner in _items(article, "paragraphs", place):
            context: str = _member(paragraph, "context", str, inner)
            for asked, innermost in _items(paragraph, "qas", inner):
                text: str = _member(asked, "question", str, innermost)
                questions.append(
                    _question(context, text, list(_items(asked, "answers", innermost)), innermost)
                )
    if not questions:
        raise FormatError(f"{path.name} must hold at least one question; give a filled SQuAD v1.1 file")
    return questions


def _question(context: str, text: str, answers: list[tuple[Any, str]], place: str) -> Question:
    """Return a question whose answers were found where they claim to be."""
    if not answers:
        raise FormatError(f"{place}.answers must not be empty in SQuAD v1.1; leave such questions out")
    texts, starts = [], []
    for answer, inner in answers:
        found: str = _member(answer, "text", str, inner)
        start: int = _member(answer, "answer_start", int, inner)
        if not found.strip() or start < 0 or context[start : start + len(found)] != found:
            raise FormatError(
                f"{inner}: the context must have {found!r:.60} at {start}; correct answer_start"
            )
        texts.append(found)
        starts.append(start)
    return Question(context, text, tuple(texts), starts[0])


def _items(holder: Any, key: str, place: str) -> Iterator[tuple[Any, str]]:
    """Yield the members of a list, each with its place."""
    for index, item in enumerate(_member(holder, key, list, place)):
        yield item, f"{place}: {key}[{index}]" if ": " not in place else f"{place}.{key}[{index}]"


def _member(holder: Any, key: str, kind: type, place: str) -> Any:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, kind):
        raise FormatError(f"{place} needs {key}, {_KINDS[kind]}, as in SQuAD v1.1; give a file like that")
    return value


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether the prediction is one of the answers, apart from case, punctuation and articles."""
    return any(_normalise(prediction) == _normalise(answer) for answer in answers)


def overlap_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best F1 of the prediction's words over the answers, between 0 and 1."""
    return max(_f1(_normalise(prediction).split(), _normalise(answer).split()) for answer in answers)


def _f1(predicted: list[str], wanted: list[str]) -> float:
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return 2 * shared / (len(predicted) + len(wanted)) if shared else 0.0


def _normalise(text: str) -> str:
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _windows(
    tokenizer: Any, questions: Sequence[Question], length: int, stride: int, *, offsets: bool
) -> Iterator[_Window]:
    """Yield the windows of all questions; without ``offsets`` only what training needs."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    for begin in range(0, len(questions), _CHUNK):
        chunk = questions[begin : begin + _CHUNK]
        asked = [question.question.strip() for question in chunk]
        for text, ids in zip(asked, tokenizer(asked, add_special_tokens=False)["input_ids"], strict=True):
            # The tokenizer panics, or fails without a name, where a window has no new context.
            if length - special - len(ids) <= stride:
                raise ConfigError(
                    f"length must be over {special + len(ids) + stride} tokens, not {length}, for stride "
                    f"{stride} and the question {text!r:.60}; raise it or lower stride"
                )
        made = tokenizer(
            asked,
            [question.context for question in chunk],
            truncation="only_second",
            max_length=length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        types = made.get("token_type_ids")
        for row, (ids, spans) in enumerate(zip(made["input_ids"], made["offset_mapping"], strict=True)):
            inside = [token for token, part in enumerate(made.sequence_ids(row)) if part == 1]
            place = made["overflow_to_sample_mapping"][row]
            context = [spans[token] for token in inside]
            first = inside[0] if inside else 0
            yield _Window(
                begin + place,
                array("i", ids),
                array("b", types[row]) if types else None,
                _label(chunk[place], context, first),
                first,
                context if offsets else (),
            )


def _label(question: Question, spans: Sequence[tuple[int, int]], first: int) -> tuple[int, int]:
    """Return the first and last token of the answer, or 0 and 0 if the window lacks a part of it."""
    start, end = question.start, question.start + len(question.answers[0])
    if not spans or spans[0][0] > start or spans[-1][1] < end:
        return 0, 0
    covered = [token for token, (left, right) in enumerate(spans) if right > start and left < end]
    return (first + covered[0], first + covered[-1]) if covered else (0, 0)


def _best_span(logits: torch.Tensor, window: _Window, context: str) -> tuple[float, str]:
    """Return the score and the text of the best span among the window's context tokens."""
    inside = logits[window.first : window.first + len(window.offsets)]
    ranked = inside.argsort(dim=0, descending=True, stable=True)[:_BEST]
    starts, ends = ranked[:, 0], ranked[:, 1]
    scores = inside[starts, 0][:, None] + inside[ends, 1]
    tokens = ends - starts[:, None] + 1
    scores = scores.masked_fill((tokens < 1) | (tokens > _ANSWER_TOKENS), -torch.inf)
    if not scores.numel() or not bool(scores.isfinite().any()):
        return -torch.inf, ""
    start, end = divmod(int(scores.argmax()), scores.shape[1])
    left, right = window.offsets[int(starts[start])][0], window.offsets[int(ends[end])][1]
    return float(scores.max()), context[left:right]


def _size(window: _Window) -> int:
    return len(window.ids)
