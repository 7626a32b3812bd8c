"""`mixvec evaluate` on sentence encoders and question answering models of the BERT family, in small."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import test_embedding_task as embedding
from tests import test_question_task as question
from tests.command_runs import Run
from tests.test_embedding_task import texts

__all__ = ["texts"]

FAST = ("--seeds", 1, "--steps", 12, "--size", 4, "--arch", "tiny", "--tokens", 4, "--device", "cpu")
BUDGET = ("--sparsity", 0.5, "--learning-rate", 2e-3, "--quantized", 0.25, "--batches", 4)


def save_folder(folder: Path, model: Any, words: list[str]) -> Path:
    model.save_pretrained(folder)
    embedding.tiny_tokenizer(words).save_pretrained(folder)
    return folder


def figures(out: str) -> dict[str, dict[str, Any]]:
    return {line["method"]: line for line in json.loads(out)["summary"]}


@pytest.mark.parametrize("recovery", ["fine-tune", "one-shot", "one-shot+fine-tune"])
def test_embeddings_are_judged_by_their_cosine(
    tmp_path: Path, texts: tuple[Path, Path], run: Run, recovery: str
) -> None:
    folder = save_folder(tmp_path / "model", embedding.tiny_bert(), embedding.WORDS)
    call = ["evaluate", folder, "--train", texts[0], "--test", texts[1], "-o", tmp_path / "out", *FAST]
    call += ["--method", "dense", "--method", "mixed-vector:3", "--stages", 2, *BUDGET]

    status, out, err = run(*call, "--recovery", recovery, "--json")

    assert status == 0, err
    lines = figures(out)
    assert lines["dense"]["float"]["cosine"]["mean"] == pytest.approx(1)
    assert 0.99 < lines["dense"]["integer"]["cosine"]["mean"] < 1
    assert 0.5 < lines["mixed-vector L2 3 bit"]["integer"]["cosine"]["mean"] < 0.9999
    assert lines["dense"]["quality"] == "cosine" and lines["dense"]["rising"]


def test_answers_are_judged_by_f1(tmp_path: Path, run: Run) -> None:
    folder = save_folder(tmp_path / "model", question.tiny_model(), question.WORDS)
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(question.squad(question.twenty())))
    call = ["evaluate", folder, "--train", path, "--test", path, "-o", tmp_path / "out", *FAST, *BUDGET]
    call += ["--block", 32, "--method", "fine-grained", "--method", "head", "--head-sparsity", 0.1]

    status, out, err = run(*call, "--json")

    assert status == 0, err
    lines = figures(out)
    assert set(lines["head"]["float"]) == {"exact", "f1"}
    assert 0 <= lines["fine-grained"]["float"]["f1"]["mean"] <= 100
    assert lines["fine-grained"]["density"] == pytest.approx(0.5, abs=1e-3)
