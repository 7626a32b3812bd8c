"""Text from files, and as token ids: split into what is trained on and what is held out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from spec.errors import ConfigError, FormatError

__all__ = ["encode_text", "read_text", "split_text"]

_CHUNK: Final = 1 << 16
"""Characters encoded at once: tokenizers slow down on one long text."""


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
