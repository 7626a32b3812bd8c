"""Windows of text, their loss and perplexity, and text as token ids."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError
from sw.language_task import LanguageTask
from sw.text import encode_text, split_text
from tests.tiny_language import tiny_model, tiny_task


class Letters:
    """A tokenizer with one token per character."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, Sequence[int]]:
        return {"input_ids": [ord(character) for character in text]}


class Certain(nn.Module):
    """Always says that the next token is this one plus 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, tokens: torch.Tensor, use_cache: bool) -> Any:
        logits = functional.one_hot((tokens + 1) % 10, 10) * self.scale
        return type("Output", (), {"logits": logits})


def test_perplexity_is_that_of_every_token_after_its_window() -> None:
    text = torch.arange(47) % 10
    task = LanguageTask(text, text, block=5, judge_size=2)

    figures = task.measure(Certain())

    loss = math.log(math.exp(2) + 9) - 2
    assert figures["loss"] == pytest.approx(loss)
    assert figures["perplexity"] == pytest.approx(math.exp(loss))


def test_loss_equals_that_of_transformers() -> None:
    task, model = tiny_task(), tiny_model()
    window = task.batch(4, torch.Generator().manual_seed(1), torch.device("cpu"))
    ids = torch.cat([window.tokens, window.following[:, -1:]], dim=1)

    own = task.loss(task.outputs(model, window), window)

    logits = model(ids[:, :-1]).logits
    picked = functional.log_softmax(logits.double(), -1).gather(2, ids[:, 1:, None])
    assert float(own.detach()) == pytest.approx(-float(picked.mean().detach()), rel=1e-5)


def test_following_tokens_follow() -> None:
    text = torch.arange(100)
    task = LanguageTask(text, text, block=7)

    window = task.batch(50, torch.Generator().manual_seed(0), torch.device("cpu"))

    assert window.tokens.shape == (50, 7)
    assert torch.equal(window.following, window.tokens + 1)
    assert int(window.following.max()) <= 99


def test_distance_is_zero_from_itself_and_the_divergence_otherwise() -> None:
    task = tiny_task()
    window = task.batch(1, torch.Generator(), torch.device("cpu"))
    teacher, student = torch.randn(1, 4, 6), torch.randn(1, 4, 6)

    assert float(task.distance(teacher, teacher, window)) == pytest.approx(0, abs=1e-6)
    wanted, found = functional.softmax(teacher, -1), functional.softmax(student, -1)
    divergence = (wanted * (wanted / found).log()).sum(-1).mean()
    assert float(task.distance(student, teacher, window)) == pytest.approx(float(divergence), rel=1e-5)


def test_measuring_leaves_the_training_flag() -> None:
    model = tiny_model().train()

    tiny_task().measure(model)

    assert model.training


def test_text_is_split_by_characters_and_encoded_whole() -> None:
    text = "line one\nline two\n" * 9000

    train, test = split_text(text, Letters())

    assert len(train) == int(len(text) * 0.9)
    assert "".join(map(chr, [*train.tolist(), *test.tolist()])) == text


def test_too_little_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="held-out text must have at least 9 tokens, not 3"):
        LanguageTask(torch.arange(20), torch.arange(3), block=8)
    with pytest.raises(ConfigError, match="must hold at least one token"):
        encode_text("", Letters())
