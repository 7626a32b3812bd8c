"""Text as token ids: split into what is trained on and what is held out."""

from collections.abc import Iterator
from typing import Any, Final

import torch

from spec.errors import ConfigError

__all__ = ["encode_text", "split_text"]

_CHUNK: Final = 1 << 16
"""Characters encoded at once: tokenizers slow down on one long text."""


def encode_text(text: str, tokenizer: Any) -> torch.Tensor:
    """Return the token ids of a text without special tokens, int64, shape (tokens,).

    Parameters
    ----------
    text : str
    tokenizer : PreTrainedTokenizer

    Raises
    ------
    ConfigError
        If nothing is left of the text.
    """
    ids = [
        token for chunk in _chunks(text) for token in tokenizer(chunk, add_special_tokens=False)["input_ids"]
    ]
    if not ids:
        raise ConfigError("the text must hold at least one token, and it is empty; give another file")
    return torch.tensor(ids)


def _chunks(text: str) -> Iterator[str]:
    """Whole lines, about ``_CHUNK`` characters at a time."""
    lines: list[str] = []
    size = 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


def split_text(text: str, tokenizer: Any, share: float = 0.9) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids of the first ``share`` of the characters and of the rest."""
    cut = int(len(text) * share)
    return encode_text(text[:cut], tokenizer), encode_text(text[cut:], tokenizer)
