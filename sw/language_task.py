"""Language modelling: windows of text, cross entropy, perplexity."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from spec.errors import ConfigError
from sw.pretrained import evaluating
from sw.task import Task

__all__ = ["LanguageTask", "Window"]


@dataclass(frozen=True, eq=False)
class Window:
    """Token ids and the ids that follow them, both (samples, block)."""

    tokens: torch.Tensor
    following: torch.Tensor


class LanguageTask(Task[Window]):
    """Predict the next token.

    Parameters
    ----------
    train, test : Tensor of int64, shape (tokens,)
        Two splits of one text.
    block : int
        Tokens per window; every window starts without context, in training and in judging.
    judge_size : int
        Windows per batch while judging.

    Raises
    ------
    ConfigError
        If a split is shorter than a window and its next token.
    """

    quality = "perplexity"
    rising = False

    def __init__(self, train: torch.Tensor, test: torch.Tensor, *, block: int, judge_size: int = 32) -> None:
        for name, split in (("training", train), ("held-out", test)):
            if len(split) < block + 1:
                raise ConfigError(
                    f"the {name} text must have at least {block + 1} tokens, not {len(split)}; give more text"
                )
        self.train, self.test, self.block, self.judge_size = train, test, block, judge_size

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> Window:
        """Return windows at random places."""
        starts = torch.randint(len(self.train) - self.block, (size, 1), generator=generator)
        places = starts + torch.arange(self.block + 1)
        ids = self.train[places].to(device)
        return Window(ids[:, :-1], ids[:, 1:])

    def outputs(self, model: nn.Module, batch: Window) -> torch.Tensor:
        """Return logits, (samples, block, vocabulary)."""
        logits: torch.Tensor = model(batch.tokens, use_cache=False).logits
        return logits

    def loss(self, outputs: torch.Tensor, batch: Window) -> torch.Tensor:
        """Return the mean cross entropy in nats per token."""
        return functional.cross_entropy(outputs.flatten(0, 1), batch.following.flatten())

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: Window) -> torch.Tensor:
        """Return the mean Kullback-Leibler divergence from the teacher in nats per token."""
        return functional.kl_div(
            functional.log_softmax(outputs.flatten(0, 1), -1),
            functional.log_softmax(teacher.flatten(0, 1), -1),
            reduction="batchmean",
            log_target=True,
        )

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Return ``loss`` (nats per token) and ``perplexity`` over consecutive windows held out."""
        device = next(model.parameters()).device
        count = (len(self.test) - 1) // self.block
        tokens = self.test[: count * self.block].view(count, self.block)
        following = self.test[1 : count * self.block + 1].view(count, self.block)
        total = 0.0
        with evaluating(model):
            for start in range(0, count, self.judge_size):
                rows = slice(start, start + self.judge_size)
                window = Window(tokens[rows].to(device), following[rows].to(device))
                total += float(self.loss(self.outputs(model, window), window)) * window.tokens.numel()
        loss = total / (count * self.block)
        return {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
