"""Models of a few thousand weights, and a task that feeds them random tokens."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from sw.targets import Target
from sw.task import Task

__all__ = [
    "TINY_TOKENS",
    "VOCABULARY",
    "StackedModel",
    "TokenTask",
    "outlying_gpt2",
    "tiny_gpt2",
    "tiny_logits",
    "token_inputs",
]

VOCABULARY = 33
TINY_TOKENS = torch.randint(VOCABULARY, (2, 6), generator=torch.Generator().manual_seed(3))
"""Two rows of six tokens: an even number of tiles, and 12 columns for T = 2."""


class TokenTask(Task[torch.Tensor]):
    """Predict the next of twelve random tokens; ``fixed`` draws the same batch every time."""

    quality, rising = "loss", False

    def __init__(self, *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.batches: list[torch.Tensor] = []

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        source = torch.Generator().manual_seed(4) if self.fixed else generator
        self.batches.append(torch.randint(VOCABULARY, (size, 12), generator=source).to(device))
        return self.batches[-1]

    def outputs(self, model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        found = model(batch) if isinstance(model, StackedModel) else model(batch, use_cache=False).logits
        return torch.as_tensor(found)

    def loss(self, outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs[:, :-1].flatten(0, 1), batch[:, 1:].flatten())

    def distance(self, outputs: torch.Tensor, teacher: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(outputs, teacher)

    def measure(self, model: nn.Module) -> dict[str, float]:
        batch = torch.randint(VOCABULARY, (8, 12), generator=torch.Generator().manual_seed(9))
        with torch.no_grad():
            return {"loss": float(self.loss(self.outputs(model, batch), batch))}


class StackedModel(nn.Module):
    """Embedding, then three Linear of one input, then one Linear that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 6)
        self.query, self.key, self.value = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(6, 5)
        self.dropout = nn.Dropout(0.5)
        self.twice = nn.Linear(13, 13)
        self.head = nn.Linear(13, VOCABULARY)
        self.unused = nn.Linear(3, 3)

    def joined(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what the Linear that is called twice meets at first."""
        inputs = self.embedding(tokens)
        return torch.cat([self.query(inputs), self.key(inputs), self.value(inputs)], dim=-1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.twice(self.dropout(self.joined(tokens))))
        logits: torch.Tensor = self.head(self.twice(input=hidden))
        return logits

    def targets(self) -> dict[str, Target]:
        """Return the stack and the Linear that is called twice, last one first."""
        return {
            "twice": Target("twice", (self.twice,), False),
            "stack": Target("stack", (self.query, self.key, self.value), False),
        }


def tiny_gpt2() -> GPT2LMHeadModel:
    """Return an untrained GPT-2 of width 32 and 2 layers, with weights large enough to matter."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=16,
        n_embd=32,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=None,
        eos_token_id=None,
        initializer_range=0.2,
    )
    torch.manual_seed(1)
    model: GPT2LMHeadModel = GPT2LMHeadModel(config)
    model.train(False)
    return model


def outlying_gpt2() -> nn.Module:
    """Return a tiny GPT-2 some of whose features are far larger than the others."""
    model: Any = tiny_gpt2()
    with torch.no_grad():
        for block in model.transformer.h:
            block.ln_1.weight[::7] *= 30
            block.ln_2.weight[3] *= 10
    plain: nn.Module = model
    return plain


def token_inputs(count: int) -> list[dict[str, torch.Tensor]]:
    """Return batches of random tokens, as a model takes them."""
    generator = torch.Generator().manual_seed(1)
    return [{"input_ids": torch.randint(VOCABULARY, (4, 12), generator=generator)} for _ in range(count)]


def tiny_logits(model: nn.Module) -> torch.Tensor:
    """Return what a model makes of ``TINY_TOKENS``."""
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=TINY_TOKENS).logits
        return logits
