"""Sentences of a text, WikiText's tokenised form or plain."""

import re
from typing import Final

from spec.errors import ConfigError

__all__ = ["read_sentences"]

_UNKNOWN: Final = "<unk>"
_HEADING: Final = re.compile(r"=.*=")
# WikiText writes a mark inside a word or a number as ` @-@ `, ` @,@ ` or ` @.@ `.
_INNER: Final = re.compile(r"@(\S)@")
_LEFT: Final = re.compile(r"[.,;:!?%)\]\u2019\u201d]|\.\.\.|'(?:s|t|m|d|ve|re|ll)|n't", re.IGNORECASE)
_RIGHT: Final = frozenset("([\u201c\u2018$£€#")
_DECADE: Final = re.compile(r"\d0s")
_ENDS: Final = frozenset(".!?")
_CLOSERS: Final = "\"')]\u2019\u201d"
# Points that end no sentence: initials, abbreviations with inner points, and these words.
_ABBREVIATION: Final = re.compile(
    r"\W*(?:[A-Z]|(?:\w+\.)+\w+|Mr|Mrs|Ms|Dr|Prof|St|Mt|Sr|Jr|No|Nos|vs|cf|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|"
    r"Sen|Rep|Fig|Figs|Op|Vol|pp|ca|approx)\."
)


def read_sentences(text: str, *, words: tuple[int, int] = (6, 40), unknown: str | None = None) -> list[str]:
    """Return the distinct sentences of ``text`` in order, as people write them.

    Every line is a paragraph. Headings (``= Title =``) are left out; tokens that WikiText sets apart are
    joined again. A paragraph without a mark at its end counts as
    a sentence.

    Parameters
    ----------
    text : str
    words : (int, int)
        Fewest and most words of a sentence, both allowed.
    unknown : str, optional
        Stands for ``<unk>``; sentences with that are left out otherwise.

    Raises
    ------
    ConfigError
        If ``words`` is no range of positive counts.
    """
    fewest, most = words
    if not 1 <= fewest <= most:
        raise ConfigError(
            f"words must rise from at least 1, not go from {fewest} to {most}; swap or raise them"
        )
    found: dict[str, None] = {}
    for line in text.splitlines():
        tokens = line.split()
        if tokens and not _HEADING.fullmatch(" ".join(tokens)):
            for sentence in _split(tokens):
                known = sentence if unknown is None else sentence.replace(_UNKNOWN, unknown)
                if _UNKNOWN not in known and fewest <= len(known.split()) <= most:
                    found[known] = None
    return list(found)


def _split(tokens: list[str]) -> list[str]:
    """Return the sentences of a paragraph, each joined to a string."""
    glued = _glue(tokens)
    ends = _sentence_ends(tokens, glued)
    sentences, sentence = [], ""
    for index, (token, (left, _)) in enumerate(zip(tokens, glued, strict=True)):
        inner = _INNER.fullmatch(token)
        blank = "" if not sentence or left or glued[index - 1][1] else " "
        sentence += blank + (inner[1] if inner else token)
        if index in ends:
            sentences.append(sentence)
            sentence = ""
    return [*sentences, sentence] if sentence else sentences


def _glue(tokens: list[str]) -> list[tuple[bool, bool]]:
    """Return for every token whether it joins the token on its left, and the one on its right."""
    glued = []
    open_quotes = {'"': False, "'": False}
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else ""
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token in open_quotes:
            decade = token == "'" and _DECADE.fullmatch(after) is not None
            closes = not decade and (
                open_quotes[token] or (token == "'" and _owns(before, tokens[index + 1 :]))
            )
            open_quotes[token] = not closes and not decade
            glued.append((closes, not closes))
        elif _INNER.fullmatch(token) or (token == "\u2013" and before[-1:].isdigit() and after[:1].isdigit()):
            glued.append((True, True))
        else:
            glued.append((_LEFT.fullmatch(token) is not None, token in _RIGHT))
    return glued


def _owns(before: str, rest: list[str]) -> bool:
    """Whether an apostrophe outside quotes ends a plural (``the boys ' school``), not opens a quote."""
    return before.lower().endswith("s") or "'" not in rest


def _sentence_ends(tokens: list[str], glued: list[tuple[bool, bool]]) -> set[int]:
    """Return the indices of tokens that end a sentence, quotes and brackets after the mark included."""
    # Where marks stand apart, a point inside a word belongs to an abbreviation.
    apart = not _ENDS.isdisjoint(tokens)
    ends = set()
    for index, token in enumerate(tokens):
        if not (token in _ENDS if apart else _ends_plain(token)):
            continue
        while index + 1 < len(tokens) and tokens[index + 1] in _CLOSERS and glued[index + 1][0]:
            index += 1
        if index + 1 < len(tokens) and not tokens[index + 1][0].islower():
            ends.add(index)
    return ends


def _ends_plain(token: str) -> bool:
    bare = token.rstrip(_CLOSERS)
    return bare[-1:] in _ENDS and _ABBREVIATION.fullmatch(bare) is None
