"""Question answering: SQuAD's format, windows, labels and figures, and a tiny model that learns it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BertForQuestionAnswering, BertModel

from spec.errors import ConfigError, FormatError
from sw.question_task import (
    Question,
    QuestionTask,
    exact_match,
    load_question_task,
    overlap_f1,
    read_questions,
)
from tests.test_embedding_task import tiny_config, tiny_tokenizer

CPU = torch.device("cpu")
PLACES = ["rome", "oslo", "lima", "cairo", "paris", "quito", "delhi", "tokyo", "accra", "dakar"]
PEOPLE = ["ann", "bob", "cid", "dot", "eva", "fay", "gus", "hal", "ida", "jon"]
WORDS = [*PLACES, *PEOPLE, "where", "who", "does", "live", "lives", "lived", "in", "the", "of", "old", "town"]
WORDS += ["sunny", ".", "?"]


def tiny_model() -> nn.Module:
    torch.manual_seed(1)
    model: nn.Module = BertForQuestionAnswering(tiny_config(WORDS))
    return model.eval()


def article(context: str, question: str, *answers: str) -> dict[str, Any]:
    """A paragraph with one question; every answer is where it first occurs."""
    found = [{"text": answer, "answer_start": context.index(answer)} for answer in answers]
    return {"context": context, "qas": [{"id": question, "question": question, "answers": found}]}


def squad(paragraphs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version": "1.1", "data": [{"title": "towns", "paragraphs": paragraphs}]}


def twenty() -> list[dict[str, Any]]:
    """Two people, where they live, and one of them asked for: every person is both asked for and not."""
    paragraphs = []
    for index, person in enumerate(PEOPLE):
        other, here, there = PEOPLE[index - 3], PLACES[index], PLACES[index - 3]
        context = f"{person.title()} lives in old {here.title()}. {other.title()} lives in {there.title()}."
        paragraphs.append(article(context, f"Where does {person.title()} live?", f"old {here.title()}"))
        paragraphs.append(article(context, f"Where does {other.title()} live?", there.title()))
    return paragraphs


def questions(tmp_path: Path, paragraphs: list[dict[str, Any]]) -> list[Question]:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(squad(paragraphs)))
    return read_questions(path)


class Scripted(nn.Module):
    """Logits are looked up by token id, so that the best span can be worked out by hand."""

    def __init__(self, starts: dict[str, float], ends: dict[str, float]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(len(WORDS) + 4, 2))
        tokenizer = tiny_tokenizer(WORDS)
        with torch.no_grad():
            for column, scores in enumerate((starts, ends)):
                for word, score in scores.items():
                    self.table[tokenizer.convert_tokens_to_ids(word), column] = score

    def forward(self, input_ids: torch.Tensor, **_: torch.Tensor) -> SimpleNamespace:
        logits = self.table[input_ids]
        return SimpleNamespace(start_logits=logits[..., 0], end_logits=logits[..., 1])


def test_questions_are_read_in_order(tmp_path: Path) -> None:
    read = questions(
        tmp_path,
        [
            article("Ann lives in Rome.", "Where does Ann live?", "Rome", "in Rome"),
            article("Bob lives in Oslo.", "Who lives in Oslo?", "Bob"),
        ],
    )

    assert read == [
        Question("Ann lives in Rome.", "Where does Ann live?", ("Rome", "in Rome"), 13),
        Question("Bob lives in Oslo.", "Who lives in Oslo?", ("Bob",), 0),
    ]


def broken(change: str) -> Any:
    """The format with one thing wrong."""
    root = squad([article("Ann lives in Rome.", "Where?", "Rome")])
    paragraph = root["data"][0]["paragraphs"][0]
    asked = paragraph["qas"][0]
    match change:
        case "root":
            return [root]
        case "paragraphs":
            root["data"][0]["paragraphs"] = {}
        case "context":
            del paragraph["context"]
        case "question":
            asked["question"] = 7
        case "answers":
            asked["answers"] = []
        case "text":
            asked["answers"][0] = "Rome"
        case "start":
            asked["answers"][0]["answer_start"] = "13"
        case "place":
            asked["answers"][0]["answer_start"] = 12
        case "below":
            asked["answers"][0]["answer_start"] = -5
        case "none":
            root["data"] = []
    return root


REFUSALS = {
    "root": "bad.json needs data, a list, as in SQuAD v1.1",
    "paragraphs": "bad.json: data[0] needs paragraphs, a list, as in",
    "context": "bad.json: data[0].paragraphs[0] needs context, a text, as in",
    "question": "bad.json: data[0].paragraphs[0].qas[0] needs question, a text, as in",
    "answers": "bad.json: data[0].paragraphs[0].qas[0].answers must not be empty in SQuAD v1.1",
    "text": "bad.json: data[0].paragraphs[0].qas[0].answers[0] needs text, a text, as in",
    "start": "qas[0].answers[0] needs answer_start, a whole number, as in",
    "place": "qas[0].answers[0]: the context must have 'Rome' at 12; correct answer_start",
    "below": "qas[0].answers[0]: the context must have 'Rome' at -5; correct answer_start",
    "none": "bad.json must hold at least one question",
}


@pytest.mark.parametrize("change", REFUSALS)
def test_a_file_out_of_format_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(broken(change)))

    with pytest.raises(FormatError) as refusal:
        read_questions(path)

    assert REFUSALS[change] in str(refusal.value) and "\n" not in str(refusal.value)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"data": [')

    with pytest.raises(FormatError, match=r"bad\.json is not JSON \(Expecting value"):
        read_questions(tmp_path / "bad.json")
    with pytest.raises(ConfigError, match=r"none\.json cannot be read \(No such file"):
        read_questions(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The  Eiffel-Tower!", ["eiffeltower"], True, 1.0),
        ("a theatre", ["Theatre"], True, 1.0),
        ("Denver Broncos", ["Carolina Panthers", "the Denver Broncos"], True, 1.0),
        # Shared words 2 of 3 predicted and of 4 wanted: 2 · 2 / 7.
        ("big red house", ["red house on hill"], False, 4 / 7),
        # `red` twice counts twice only where both have it twice: 2 · 1 / (2 + 1).
        ("red red", ["red"], False, 2 / 3),
        # The best answer counts: 2 · 1 / 3, not 2 · 1 / 5.
        ("in Rome", ["the old town of Rome", "Rome"], False, 2 / 3),
        ("blue", ["red"], False, 0.0),
        ("", ["red"], False, 0.0),
        ("the", ["a"], True, 0.0),
    ],
)
def test_scores_are_those_of_worked_examples(
    prediction: str, answers: list[str], exact: bool, f1: float
) -> None:
    assert exact_match(prediction, answers) is exact
    assert overlap_f1(prediction, answers) == pytest.approx(f1)


def test_labels_mark_the_answer_in_the_window_that_has_it(tmp_path: Path) -> None:
    context = "Ann lives in the old town of Rome . Bob lives in sunny Oslo"
    asked = questions(tmp_path, [article(context, "Where does Bob live?", "sunny Oslo")])
    # 5 question tokens and 3 special ones leave 7 for the context: 0-6, 4-10, 8-13.
    task = QuestionTask(tiny_tokenizer(WORDS), asked, asked, length=15, stride=3)

    batch = task.batch(3, torch.Generator().manual_seed(0), CPU)

    tokenizer = tiny_tokenizer(WORDS)
    texts = [tokenizer.decode(ids) for ids in batch.ids]
    labels = {text: tuple(label) for text, label in zip(texts, batch.labels.tolist(), strict=True)}
    ask = "[CLS] where does bob live ? [SEP]"
    assert labels == {
        f"{ask} . bob lives in sunny oslo [SEP] [PAD]": (11, 12),
        f"{ask} ann lives in the old town of [SEP]": (0, 0),
        f"{ask} old town of rome . bob lives [SEP]": (0, 0),
    }
    assert batch.types is not None
    shortest = batch.attention.sum(dim=1).argmin()
    assert batch.types[shortest].tolist() == [0] * 7 + [1] * 7 + [0]
    assert batch.attention[shortest].tolist() == [1] * 14 + [0]


def test_an_answer_that_no_window_holds_whole_is_nowhere(tmp_path: Path) -> None:
    context = "Ann lives in the old town of Rome . Bob lives in sunny Oslo"
    asked = questions(tmp_path, [article(context, "Where does Bob live?", "of Rome . Bob lives in")])
    task = QuestionTask(tiny_tokenizer(WORDS), asked, asked, length=15, stride=3)

    assert not task.batch(3, torch.Generator(), CPU).labels.any()


def test_an_answer_inside_a_word_takes_the_whole_word(tmp_path: Path) -> None:
    asked = questions(tmp_path, [article("Ann lived in Rome.", "Where?", "om")])

    batch = QuestionTask(tiny_tokenizer(WORDS), asked, asked).batch(1, torch.Generator(), CPU)

    assert batch.labels.tolist() == [[7, 7]]


def test_loss_and_distance_are_means_over_start_and_end(tmp_path: Path) -> None:
    short = article("Ann lives in Rome.", "Who?", "Ann")
    asked = questions(tmp_path, [short, *twenty()[:5]])
    task = QuestionTask(tiny_tokenizer(WORDS), asked, asked)
    batch = task.batch(6, torch.Generator().manual_seed(1), CPU)
    student, teacher = (
        task.outputs(Scripted({"rome": score, "lives": 1.0}, {"town": -score}), batch) for score in (2.0, 3.0)
    )
    assert bool((batch.attention == 0).any()) and student.shape == (*batch.ids.shape, 2)

    loss, distance = task.loss(student, batch), task.distance(student, teacher, batch)

    entropies, divergences = [], []
    for row in range(6):
        for column in range(2):
            # Without the padding, one by one.
            attended = batch.attention[row].bool()
            logits, wanted = student[row, attended, column], teacher[row, attended, column]
            entropies.append(functional.cross_entropy(logits, batch.labels[row, column]))
            p, q = wanted.softmax(0), logits.softmax(0)
            divergences.append((p * (p / q).log()).sum())
    torch.testing.assert_close(loss, torch.stack(entropies).mean())
    torch.testing.assert_close(distance, torch.stack(divergences).mean(), atol=1e-6, rtol=1e-5)
    assert task.distance(teacher, teacher, batch).item() == 0


def test_the_best_span_over_all_windows_is_the_answer(tmp_path: Path) -> None:
    context = "Ann lives in the old town of Rome . Bob lives in sunny Oslo"
    asked = questions(tmp_path, [article(context, "Where does Bob live?", "Oslo")])
    task = QuestionTask(tiny_tokenizer(WORDS), asked, asked, length=15, stride=3)

    # Best start is `sunny` (third window), best end `town`, which comes before it and has another window.
    figures = task.measure(Scripted({"sunny": 3.0, "the": 1.0}, {"town": 2.0, "oslo": 1.5}))
    assert figures == pytest.approx({"f1": 100 * 2 / 3, "exact": 0})

    # The question's words score best, and are no answer.
    figures = task.measure(Scripted({"does": 9.0, "oslo": 3.0}, {"live": 9.0, "oslo": 1.0}))
    assert figures == {"f1": 100, "exact": 100}


def test_an_answer_ends_where_it_starts_or_later(tmp_path: Path) -> None:
    asked = questions(tmp_path, [article("Bob lives in Oslo", "Who?", "Bob lives")])
    # The best start comes after the best end; `Bob lives` scores 4, `Oslo` 3.5.
    model = Scripted({"oslo": 3.0, "bob": 1.0}, {"lives": 3.0, "oslo": 0.5})

    assert QuestionTask(tiny_tokenizer(WORDS), asked, asked).measure(model)["exact"] == 100


def test_figures_are_means_over_the_judged_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sw.question_task._CHUNK", 1)
    paragraphs = [
        article("Ann lives in Rome.", "Where?", "Rome"),
        article("Bob lives in Oslo.", "Where?", "lives in Oslo"),
        article("Ida lives in Lima.", "Who?", "Ida"),
        article("Jon lives in Quito.", "Who?", "lives"),
    ]
    asked = questions(tmp_path, paragraphs)
    # Everything from `in` to the place: `in Rome` (f1 2/3), `in Oslo` (4/5), `in Lima` (0), `in Quito` (0).
    model = Scripted({"in": 1.0}, dict.fromkeys(PLACES, 1.0))

    assert QuestionTask(tiny_tokenizer(WORDS), asked, asked).measure(model) == pytest.approx(
        {"f1": 100 * (2 / 3 + 4 / 5) / 4, "exact": 0}
    )
    # Evenly spread: the first and the third.
    assert QuestionTask(tiny_tokenizer(WORDS), asked, asked, judge=2).measure(model)["f1"] == pytest.approx(
        100 / 3
    )


def test_answers_have_at_most_30_tokens(tmp_path: Path) -> None:
    for between, expected in ((28, 1.0), (29, 0.0)):
        context = " ".join(["Ann", *["old"] * between, "Bob"])
        asked = questions(tmp_path, [article(context, "Who?", context)])
        figures = QuestionTask(tiny_tokenizer(WORDS), asked, asked).measure(
            Scripted({"ann": 5.0, "old": -5.0}, {"bob": 5.0, "old": -5.0})
        )
        assert figures["exact"] == 100 * expected


def test_twenty_questions_are_learnt(tmp_path: Path) -> None:
    asked = questions(tmp_path, twenty())
    task = QuestionTask(tiny_tokenizer(WORDS), asked, asked)
    # Dropout stays off: it makes a model this small forget.
    model = tiny_model()
    before = task.measure(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(2)

    for _ in range(75):
        batch = task.batch(20, generator, CPU)
        optimizer.zero_grad()
        task.loss(task.outputs(model, batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    after = task.measure(model)
    assert before["f1"] < 40 and after["f1"] > 90 and after["exact"] > 90


def test_a_folder_loads_with_its_task(tmp_path: Path) -> None:
    folder, path = tmp_path / "model", tmp_path / "squad.json"
    tiny_model().save_pretrained(folder)  # type: ignore[operator]
    tiny_tokenizer(WORDS).save_pretrained(folder)
    path.write_text(json.dumps(squad(twenty())))

    model, task = load_question_task(folder, path, path, length=32, stride=4, judge=10)

    assert not model.training and (task.length, task.stride, task.judge) == (32, 4, 10)
    assert task.measure(model)["f1"] == task.measure(tiny_model())["f1"]
    with pytest.raises(ConfigError, match="length must be at most the model's 64 tokens, not 65"):
        load_question_task(folder, path, path, length=65)


def test_a_model_without_a_head_is_refused(tmp_path: Path) -> None:
    folder, path = tmp_path / "headless", tmp_path / "squad.json"
    BertModel(tiny_config(WORDS)).save_pretrained(folder)
    tiny_tokenizer(WORDS).save_pretrained(folder)
    path.write_text(json.dumps(squad(twenty())))

    with pytest.raises(ConfigError, match=r"headless lacks 2 weights of its model, qa_outputs\.bias first"):
        load_question_task(folder, path, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 12, "stride": 4}, r"length must be over 12 tokens, not 12, for stride 4 .*'Where does A"),
        ({"stride": -1}, "stride must not be negative, but is -1"),
        ({"judge": 0}, "judge must be at least 1 question, not 0"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    asked = questions(tmp_path, twenty())

    with pytest.raises(ConfigError, match=message):
        QuestionTask(tiny_tokenizer(WORDS), asked, asked, **options)


def test_empty_splits_and_slow_tokenizers_are_refused(tmp_path: Path) -> None:
    asked = questions(tmp_path, twenty())

    with pytest.raises(ConfigError, match="both splits need questions, and have 20 and 0"):
        QuestionTask(tiny_tokenizer(WORDS), asked, [])
    with pytest.raises(ConfigError, match="answers need a fast tokenizer, not SimpleNamespace"):
        QuestionTask(SimpleNamespace(is_fast=False), asked, asked)


def test_segments_reach_the_model_where_the_tokenizer_has_them() -> None:
    plain = tiny_tokenizer(WORDS)
    plain.model_input_names = ["input_ids", "attention_mask"]
    asked = [Question("Ann lives in Rome.", "Where?", ("Rome",), 13)]
    model = tiny_model()
    logits = []
    for tokenizer in (plain, tiny_tokenizer(WORDS)):
        task = QuestionTask(tokenizer, asked, asked)
        batch = task.batch(1, torch.Generator(), CPU)
        assert (batch.types is None) == (tokenizer is plain)
        logits.append(task.outputs(model, batch))

    assert logits[0].shape == logits[1].shape == (1, 10, 2)
    assert not torch.allclose(logits[0], logits[1])
