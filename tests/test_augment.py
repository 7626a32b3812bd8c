"""Varied sentences: what stays, what gives way, and to what."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch

from spec.errors import ConfigError
from sw.augment import Augmentation, Augmenter

FIRST, LAST, UNKNOWN = 101, 102, 100
VOCABULARY = range(1000, 1050)
# Every token of the text tells its place.
TEXT = [[FIRST, *range(start, start + length), LAST] for start, length in ((0, 5), (5, 3), (8, 10), (18, 2))]


def variations(
    augmentation: Augmentation, sentence: list[int], count: int, seed: int = 1
) -> Iterator[list[int]]:
    augmenter = Augmenter(augmentation, TEXT, VOCABULARY, UNKNOWN)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield augmenter.vary(sentence, generator)


def test_spans_are_running_text_across_sentences() -> None:
    sentence = TEXT[0]

    starts = set()
    for first, *tokens, last in variations(Augmentation(spans=1, replaced=0), sentence, 400):
        assert (first, last, len(tokens)) == (FIRST, LAST, 5)
        assert all(right == left + 1 for left, right in pairwise(tokens))
        starts.add(tokens[0])

    assert starts == set(range(16))


def test_the_share_of_spans_is_met() -> None:
    # Only one of sixteen places gives the sentence itself.
    kept = sum(one == TEXT[0] for one in variations(Augmentation(spans=0.4, replaced=0), TEXT[0], 2000))

    assert kept / 2000 == pytest.approx(0.6 + 0.4 / 16, abs=0.04)


def test_replaced_tokens_are_of_the_vocabulary_and_each_as_likely() -> None:
    counts: dict[int, int] = {}
    own = replaced = 0
    for first, *tokens, last in variations(Augmentation(spans=0, replaced=0.3), TEXT[2], 2000):
        assert (first, last) == (FIRST, LAST)
        for token, before in zip(tokens, TEXT[2][1:-1], strict=True):
            if token == before:
                own += 1
            else:
                replaced += 1
                counts[token] = counts.get(token, 0) + 1

    assert replaced / (own + replaced) == pytest.approx(0.3, abs=0.015)
    assert set(counts) == set(VOCABULARY)
    assert max(counts.values()) < 1.6 * min(counts.values())


def test_unknown_words_always_give_way_unless_nothing_is_replaced() -> None:
    sentence = [FIRST, 7, UNKNOWN, 8, UNKNOWN, LAST]

    for varied in variations(Augmentation(spans=0, replaced=1e-6), sentence, 50):
        assert varied[1] == 7 and varied[3] == 8
        assert varied[2] in VOCABULARY and varied[4] in VOCABULARY
    assert list(variations(Augmentation(spans=0, replaced=0), sentence, 3)) == [sentence] * 3


def test_the_generator_decides() -> None:
    first, second, other = (list(variations(Augmentation(0.5, 0.1), TEXT[2], 20, seed)) for seed in (1, 1, 2))

    assert first == second != other


def test_without_variation_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()

    assert Augmenter(Augmentation(), TEXT, VOCABULARY, UNKNOWN).vary(TEXT[0], generator) == TEXT[0]

    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"spans": -0.1}, "`spans` must be from 0 to 1, not -0.1"),
        ({"replaced": 1.5}, "`replaced` must be from 0 to 1, not 1.5"),
    ],
)
def test_shares_out_of_range_are_refused(shares: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation(**shares)
