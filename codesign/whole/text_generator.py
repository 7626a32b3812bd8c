"""Text, a token at a time, by a causal language model and its tokenizer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from spec.errors import ConfigError
from sw.pretrained import load_pretrained

__all__ = ["TextGenerator", "load_text_generator"]

_SAMPLES: Final = 64
"""Windows that calibrate."""


class TextGenerator:
    """A model that keeps keys and values, so that every step multiplies by one column.

    Parameters
    ----------
    model : Module
        In evaluation mode.
    tokenizer : tokenizer of transformers
    """

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    @property
    def positions(self) -> int:
        """Most tokens of prompt and continuation together."""
        config: Any = self.model.config
        return int(config.n_positions)

    def encode(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt.

        Raises
        ------
        ConfigError
            If it is empty or has characters that the model does not know.
        """
        ids: list[int] = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ConfigError("the prompt must have at least one token, and it is empty; give a word")
        if self.decode(ids) != prompt:
            raise ConfigError(
                f"the prompt {prompt!r} has characters that the model does not know; leave them out"
            )
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens."""
        text: str = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text

    def continuation(
        self, prompt: list[int], tokens: int, *, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[int]:
        """Yield ``tokens`` tokens after ``prompt``: the likeliest, or drawn at a ``temperature`` above 0.

        Both together are at most ``positions`` tokens.
        """
        generator = torch.Generator().manual_seed(seed)
        state, pending = None, list(prompt)
        for _ in range(tokens):
            # One column at a time, the prompt's tokens too: what an array of one token column is for.
            for token in pending:
                with torch.no_grad():
                    found = self.model(torch.tensor([[token]]), past_key_values=state, use_cache=True)
                state = found.past_key_values
            pending = [_choose(found.logits[0, -1], temperature, generator)]
            yield pending[0]

    def samples(self, seed: int = 0) -> list[torch.Tensor]:
        """Return windows that the model writes by itself, at temperature 1: text to calibrate on."""
        generator = torch.Generator().manual_seed(seed)
        words = int(self.model.config.vocab_size)  # type: ignore[union-attr, arg-type]
        ids = torch.randint(words, (_SAMPLES, 1), generator=generator)
        state, last = None, ids
        while ids.shape[1] < self.positions:
            with torch.no_grad():
                found = self.model(last, past_key_values=state, use_cache=True)
            state = found.past_key_values
            last = torch.multinomial(found.logits[:, -1].softmax(-1), 1, generator=generator)
            ids = torch.cat([ids, last], dim=1)
        return list(torch.split(ids, _SAMPLES // 4))


def load_text_generator(folder: Path) -> TextGenerator:
    """Return the generator in a folder of the GPT-2 family. Nothing is downloaded.

    Raises
    ------
    ConfigError
        If there is no such model.
    """
    from transformers import AutoModelForCausalLM  # other commands run without its slow import

    if not folder.is_dir():
        raise ConfigError(f"`--model` {folder} is no model folder; check it")
    model, tokenizer = load_pretrained(folder, AutoModelForCausalLM)
    if not hasattr(model.config, "n_positions"):
        raise ConfigError(f"`--model` {folder} is not of the GPT-2 family; give one that is")
    return TextGenerator(model, tokenizer)


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
