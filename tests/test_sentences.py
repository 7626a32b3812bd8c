"""Sentences: joined as people write them, split where they end, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.errors import ConfigError
from sw.sentences import read_sentences

ALL = (1, 99)


@pytest.mark.parametrize(
    ("tokenised", "written"),
    [
        ("a hard @-@ shelled male , and more .", "a hard-shelled male, and more."),
        ("It weighs 4 @,@ 386 t ( 0 @.@ 7 % ) .", "It weighs 4,386 t (0.7%)."),
        ('only becoming " lobster red " on cooking .', 'only becoming "lobster red" on cooking.'),
        ("He said : \" I didn 't see Weber 's ! \"", "He said: \"I didn't see Weber's!\""),
        ("that of H. gammarus is white .", "that of H. gammarus is white."),
        ("It cost $ 3 and rose 5 – 6 kg [ sic ] ; fine ?", "It cost $3 and rose 5–6 kg [sic]; fine?"),  # noqa: RUF001
        ("the ships ' endurance and an ' ironclad ' hull", "the ships' endurance and an 'ironclad' hull"),
        ("the ' box @-@ battery ' of the 1960s and ' 70s", "the 'box-battery' of the 1960s and '70s"),
        ("the lights ( on a ship ) were out .", "the lights (on a ship) were out."),
    ],
)
def test_tokens_set_apart_are_joined(tokenised: str, written: str) -> None:
    assert read_sentences(f" {tokenised} \n", words=ALL) == [written]


def test_wikitext_splits_at_marks_that_stand_apart() -> None:
    text = (
        ' It rained in the U.S. Navy yard . He said , " Stop . " Then No. 2 Squadron of Brig. Smith left ! '
        "( It was late . ) Yes ? \n"
    )

    assert read_sentences(text, words=ALL) == [
        "It rained in the U.S. Navy yard.",
        'He said, "Stop."',
        "Then No. 2 Squadron of Brig. Smith left!",
        "(It was late.)",
        "Yes?",
    ]


def test_plain_text_splits_at_marks_but_not_at_abbreviations() -> None:
    text = 'Mr. H. Smith met Dr. Jones, e.g. in the U.S. Army. "Was it late?" he asked. (It was.) He left.'

    assert read_sentences(text, words=ALL) == [
        "Mr. H. Smith met Dr. Jones, e.g. in the U.S. Army.",
        '"Was it late?" he asked.',
        "(It was.)",
        "He left.",
    ]


def test_headings_unknown_words_and_repetitions_are_left_out() -> None:
    text = (
        " \n = Homarus gammarus = \n \n One red lobster sleeps . Its <unk> is blue . \n"
        " = = Life cycle = = \n One red lobster sleeps . The sea x = 3 = y is calm . \n"
    )

    assert read_sentences(text, words=ALL) == ["One red lobster sleeps.", "The sea x = 3 = y is calm."]


def test_both_bounds_of_the_words_are_allowed() -> None:
    text = "One two. One two three. One two three four. One two three four five."

    assert read_sentences(text, words=(3, 4)) == ["One two three.", "One two three four."]
    assert read_sentences("One two three four five. One two three four five six.") == [
        "One two three four five six."
    ]


def test_lines_without_a_mark_are_sentences() -> None:
    assert read_sentences("first of two lines\nsecond of two lines", words=ALL) == [
        "first of two lines",
        "second of two lines",
    ]


@given(st.lists(st.sampled_from([*"ab.!?\"'()=", "@-@", "<unk>", "C.", "1", "'s", "\n"]), max_size=30))
def test_any_text_gives_distinct_sentences_within_the_bounds(tokens: list[str]) -> None:
    sentences = read_sentences(" ".join(tokens), words=(2, 5))

    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert 2 <= len(sentence.split()) <= 5
        assert sentence == " ".join(sentence.split()) and "<unk>" not in sentence


@given(st.lists(st.sampled_from(["", *".,!?\"'()[]%$", ". )", ', "']), max_size=20))
def test_no_letter_and_no_mark_is_lost(marks: list[str]) -> None:
    text = " ".join(f"Word{index} {mark}" for index, mark in enumerate(marks))

    sentences = read_sentences(text, words=ALL)

    assert "".join("".join(sentences).split()) == "".join(text.split())


@pytest.mark.parametrize("words", [(0, 5), (6, 5)])
def test_bounds_that_hold_nothing_are_refused(words: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"not go from {words[0]} to {words[1]}"):
        read_sentences("One two three.", words=words)


def test_unknown_words_may_be_named() -> None:
    text = "A small <unk> sat down on the mat . The second sentence has no such word at all ."

    assert len(read_sentences(text)) == 1
    assert read_sentences(text, unknown="[UNK]")[0] == "A small [UNK] sat down on the mat."
