"""A two-layer GPT-2 and a text that it can learn: what tests of training start from."""

from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from sw.language_task import LanguageTask

__all__ = ["tiny_model", "tiny_task", "tiny_tokens"]

WORDS = 33
BLOCK = 16


def tiny_model(seed: int = 0, **options: Any) -> Any:
    """Return a model of 2 layers, 32 features and 2 heads with random weights."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"vocab_size": WORDS, "n_positions": BLOCK, "bos_token_id": None}
    sizes |= {"n_embd": 32, "n_layer": 2, "n_head": 2, "eos_token_id": None}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    model: Any = GPT2LMHeadModel(GPT2Config(**{**sizes, **off, **options}))
    return model.eval()


def tiny_tokens(seed: int = 0) -> list[int]:
    """Return a text in which every token mostly decides the next but one."""
    generator = torch.Generator().manual_seed(seed)
    follows = torch.randperm(WORDS, generator=generator)
    tokens = [0, 1]
    for surprise in torch.rand(4000, generator=generator).tolist():
        tokens.append(int(follows[tokens[-2]]) if surprise < 0.95 else int(surprise * 1e6) % WORDS)
    return tokens


def tiny_task(seed: int = 0) -> LanguageTask:
    """Return the task on ``tiny_tokens``."""
    text = torch.tensor(tiny_tokens(seed))
    return LanguageTask(text[:3200], text[3200:], block=BLOCK)
