"""The trained character models read English they have not seen, and have something to lose."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from codesign.subjects import Subject, load_subject
from spec.arch import ArchConfig
from sw.language_task import LanguageTask
from sw.pattern import Pattern
from sw.prune_model import PruneOptions
from sw.recovery_options import RecoveryOptions
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, sparsify
from sw.targets import find_targets
from sw.text import encode_text

MODELS = sorted((Path(__file__).parent.parent / "examples" / "character-models").iterdir())
# Sonnets 18 and 116, which the training text (plays) does not hold.
CALIBRATION = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;
"""
HELD_OUT = """Let me not to the marriage of true minds
Admit impediments. Love is not love
Which alters when it alteration finds,
Or bends with the remover to remove:
O no! it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wandering bark,
Whose worth's unknown, although his height be taken.
"""


def load(folder: Path, tmp_path: Path) -> tuple[Any, LanguageTask]:
    for name, text in (("train.txt", CALIBRATION), ("test.txt", HELD_OUT)):
        (tmp_path / name).write_text(text)
    model, task = load_subject(Subject(str(folder), tmp_path / "train.txt", tmp_path / "test.txt"))
    assert isinstance(task, LanguageTask)
    return model, task


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_a_trained_model_reads_verses_it_has_not_seen(folder: Path, tmp_path: Path) -> None:
    model, task = load(folder, tmp_path)

    # Characters at random would be 65, letters by their frequency about 20.
    assert task.measure(model)["perplexity"] < 8
    assert len(find_targets(model)) == 16


def test_characters_are_tokens_and_come_back() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS[0])

    ids = encode_text(HELD_OUT, tokenizer)

    assert len(ids) == len(HELD_OUT)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == HELD_OUT


def test_compensation_saves_most_of_what_a_cut_destroys(tmp_path: Path) -> None:
    arch = ArchConfig.load("ulx3s")
    options = RecoveryOptions(size=8, score=Score.MAGNITUDE)
    recipe = Recipe(PruneOptions(Pattern(arch)), RecoveryMethod.NONE, options, stages=2, batches=8)
    losses = {}
    for recovery in (None, RecoveryMethod.NONE, RecoveryMethod.ONE_SHOT):
        model, task = load(MODELS[0], tmp_path)
        if recovery is not None:
            weights = sum(its.rows * its.cols for its in find_targets(model).values())
            sparsify(model, task, weights // 2, replace(recipe, recovery=recovery))
        losses[recovery] = task.measure(model)["loss"]

    damage = losses[RecoveryMethod.NONE] - losses[None]
    assert damage > 0.4
    assert losses[RecoveryMethod.ONE_SHOT] - losses[None] < damage / 2
