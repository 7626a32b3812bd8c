"""A model folder whose tokens are single letters, and a text beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from tests.tiny_language import WORDS, tiny_model

__all__ = ["LETTERS", "write_letter_folder"]

LETTERS: Final = "".join(chr(ord("A") + index) for index in range(WORDS))


def write_letter_folder(folder: Path, tokens: Sequence[int]) -> None:
    """Write ``model``, untrained, and ``text.txt`` of these tokens."""
    tokenizer = Tokenizer(WordLevel({letter: index for index, letter in enumerate(LETTERS)}, unk_token="A"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer).save_pretrained(folder / "model")
    tiny_model().save_pretrained(folder / "model")
    (folder / "text.txt").write_text("".join(LETTERS[token] for token in tokens))
