"""A little text made to go further: spans across sentences, tokens replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from spec.errors import ConfigError

__all__ = ["Augmentation", "Augmenter"]


@dataclass(frozen=True)
class Augmentation:
    """How much of the training text is varied; nothing by default.

    Where a dense model is the judge, no label gets wrong by it.

    Parameters
    ----------
    spans : float
        Share of the sentences that give way to as many tokens of the running text, from a random place:
        other beginnings and ends, and sentences that follow each other.
    replaced : float
        Share of the tokens that give way to others, each of the vocabulary as likely. Most of these are rare,
        as are the words that held-out text has and the training text has not. What the tokenizer did not
        know is replaced everywhere, unless the share is 0.

    Raises
    ------
    ConfigError
        If a share is not from 0 to 1.
    """

    spans: float = 0.0
    replaced: float = 0.0

    def __post_init__(self) -> None:
        for name in ("spans", "replaced"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must be from 0 to 1, not {getattr(self, name):g}")


class Augmenter:
    """Varies tokenised sentences. The first and the last token of each, the special ones, stay.

    Parameters
    ----------
    augmentation : Augmentation
    sentences : sequence of sequence of int
        Token ids of every sentence in the order of the text, each between two special tokens.
    vocabulary : sequence of int
        Ids that replace others.
    unknown : int, optional
        Id of unknown words.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        sentences: Sequence[Sequence[int]],
        vocabulary: Sequence[int],
        unknown: int | None = None,
    ) -> None:
        self.augmentation = augmentation
        self._text = torch.tensor(list(chain.from_iterable(sentence[1:-1] for sentence in sentences)))
        self._vocabulary = torch.tensor(list(vocabulary))
        self._unknown = -1 if unknown is None else unknown

    def vary(self, sentence: Sequence[int], generator: torch.Generator) -> list[int]:
        """Return a variation of ``sentence``, as long as it is. A share of 0 draws nothing."""
        tokens = torch.tensor(sentence[1:-1])
        spans, replaced = self.augmentation.spans, self.augmentation.replaced
        if spans and self._drawn(1, spans, generator):
            places = len(self._text) - len(tokens) + 1
            start = int(torch.randint(places, (), generator=generator))
            tokens = self._text[start : start + len(tokens)]
        if replaced:
            drawn = self._drawn(len(tokens), replaced, generator)
            choice = torch.randint(len(self._vocabulary), (len(tokens),), generator=generator)
            unknown = tokens == self._unknown
            tokens = torch.where(drawn | unknown, self._vocabulary[choice], tokens)
        return [sentence[0], *tokens.tolist(), sentence[-1]]

    @staticmethod
    def _drawn(count: int, share: float, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(count, generator=generator) < share
