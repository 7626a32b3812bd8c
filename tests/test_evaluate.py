"""`mixvec evaluate`: one table for all methods, resumable, and refusals in one sentence."""

import json
from pathlib import Path

import pytest
import torch

from codesign.evaluation import summarize
from codesign.patterns import n_m_of, parse_pattern
from codesign.quality_tables import gap_text
from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.pattern import Method
from sw.pruned_state import PrunedState
from tests.command_runs import Run, is_one_sentence
from tests.letter_folder import write_letter_folder
from tests.tiny_language import WORDS, tiny_model

FAST = ("--seeds", 1, "--steps", 4, "--size", 2, "--arch", "tiny", "--tokens", 4, "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a tokenizer of single letters, and a text."""
    folder = tmp_path_factory.mktemp("evaluate")
    generator = torch.Generator().manual_seed(0)
    write_letter_folder(folder, torch.randint(WORDS, (3000,), generator=generator).tolist())
    return folder


def test_methods_are_compared_and_results_are_kept(folder: Path, tmp_path: Path, run: Run) -> None:
    methods = ("dense", "dense:trained", "fine-grained", "mixed-vector:2", "n-m", "head", "vector:4")
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST]
    call += [part for method in methods for part in ("--method", method)]
    call += ["--sparsity", 0.75, "--head-sparsity", 0.1]

    status, out, err = run(*call, "--json")

    assert status == 0, err
    report = json.loads(out)
    lines = {line["method"]: line for line in report["summary"]}
    assert list(lines) == [
        "dense",
        "dense, trained on",
        "fine-grained",
        "mixed-vector L2 2 bit",
        "1:4",
        "head",
        "vector 4",
    ]
    assert lines["1:4"]["density"] == 0.25 and lines["dense"]["density"] == 1.0
    assert lines["mixed-vector L2 2 bit"]["record_bits_per_kept"] <= 2.0
    assert lines["head"]["sparsity"] == 0.1 and lines["1:4"]["lanes"] == 1
    for line in lines.values():
        assert line["float"]["perplexity"]["mean"] == pytest.approx(WORDS, rel=0.2)
        assert line["integer"]["perplexity"]["std"] == 0
    assert lines["vector 4"]["compute_cycles"] < lines["dense"]["compute_cycles"]
    assert all((tmp_path / "out" / name).is_file() for name in report["files"])

    again = run(*call, "--json")
    assert again[0] == 0 and json.loads(again[1])["results"] == report["results"]
    assert "seed 0: perplexity" in err and "seed 0: perplexity" not in again[2]


def test_inputs_are_quantized_as_asked_for(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST]
    call += ["--method", "mixed-vector:2", "--sparsity", 0.5, "--recovery", "one-shot", "--json"]
    found = []
    for options in ((), ("--input-scales", "token"), ("--smoothing", 0.7)):
        status, out, err = run(*call, *options)
        assert status == 0, err
        (result,) = json.loads(out)["results"]
        found.append(result)

    # The same model in floating point, three in integers.
    assert len({one["float"]["perplexity"] for one in found}) == 1
    assert len({one["integer"]["perplexity"] for one in found}) == 3
    assert "`--input-scales` must be one of tensor, token, not row" in run(*call, "--input-scales", "row")[2]


def test_a_kept_model_is_trained_on(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST]
    call += ["--method", "mixed-vector:2", "--sparsity", 0.5, "--json"]
    found = []

    def results(*options: object) -> None:
        status, out, err = run(*call, *options)
        assert status == 0, err
        found.extend(json.loads(out)["results"])

    results()
    results("--keep")
    kept = tmp_path / "out" / "trials" / found[1]["kept_model"]
    results("--start", kept, "--recovery", "none")
    results("--start", kept, "--steps", 8, "--jobs", 2)
    said = run(*call[:-1], "--keep")[1]
    # A model without a result that names it, as an interrupted run leaves it, is made again.
    place = kept.with_name(kept.name.replace(".model.pt", ".json"))
    told = json.loads(place.read_text())
    del told["kept_model"]
    place.write_text(json.dumps(told))
    kept.write_bytes(b"half")
    results("--keep")

    first, again, judged, further, remade = found
    assert remade["float"] == again["float"] and remade["kept_model"] == kept.name
    assert PrunedState.load(kept).pruning.kept == again["kept"]
    # Known results without their model are not enough.
    assert "kept_model" not in first and kept.is_file()
    assert f"kept {again['method']} at 0.5, seed 0: {kept}\n" in said
    figures = ("float", "kept", "density", "record_bits_per_kept")
    assert [first[name] for name in figures] == [again[name] for name in figures]
    assert [judged[name] for name in figures] == [again[name] for name in figures]
    assert further["float"] != again["float"] and further["kept"] == again["kept"]
    assert further["start"] == kept.name and "start" not in again
    for now, before in zip(further["layers"], again["layers"], strict=True):
        assert all(now[name] == before[name] for name in ("direction", "kept", "record_bits", "lengths"))


def test_methods_are_compared_from_one_pruned_model(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", *FAST, "--sparsity", 0.5]
    first = run(*call, "-o", tmp_path / "first", "--method", "vector:4", "--keep", "--json")[1]
    (before,) = json.loads(first)["results"]
    kept = tmp_path / "first" / "trials" / before["kept_model"]
    call += ["--sparsity", 0.7, "--start", kept, "--recovery", "none", "-o", tmp_path / "out"]

    status, out, err = run(*call, "--method", "vector:4", "--method", "fine-grained", "--json")

    assert status == 0, err
    found = {(one["method"], one["sparsity"]): one for one in json.loads(out)["results"]}
    assert {one["start"] for one in found.values()} == {kept.name} and len(found) == 4
    same = found["vector 4", 0.5]
    assert (same["float"], same["kept"]) == (before["float"], before["kept"])
    # What had been pruned is pruned first: single weights, at as many, are the very ones that were left.
    single = found["fine-grained", 0.5]
    assert before["kept"] == single["kept"] == single["weights"] // 2
    assert single["float"] == before["float"]
    fewer = found["fine-grained", 0.7]
    assert fewer["kept"] == round(0.3 * fewer["weights"]) and fewer["float"] != before["float"]


def test_a_start_must_be_a_pruned_model(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST]
    call += ["--sparsity", 0.5, "--start", tmp_path / "absent.pt"]
    for options, message in (
        ((), "name methods by --method, and dense not among them"),
        (("--method", "dense"), "--start goes on from a pruned model"),
        (("--method", "vector:4"), "absent.pt is not a readable pruned model"),
    ):
        status, out, err = run(*call, *options)
        assert (status, out) == (2, "") and is_one_sentence(err) and message in err


def test_two_processes_give_the_results_of_one(folder: Path, tmp_path: Path, run: Run) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", *FAST, "--sparsity", 0.5]
    call += ["--method", "vector:4", "--method", "block:4", "--json"]
    figures = []
    for jobs in (1, 2):
        status, out, err = run(*call, "-o", tmp_path / str(jobs), "--jobs", jobs)
        assert status == 0, err
        figures.append([(one["method"], one["float"], one["bits"]) for one in json.loads(out)["results"]])

    assert figures[0] == figures[1]


def test_seeds_are_summed_up_by_mean_and_sample_deviation() -> None:
    shared = {"method": "m", "sparsity": 0.8, "quality": "q", "rising": False}
    shared |= {"lanes": 4, "pes": 1, "tokens": 1}
    figures = {"density": 0.2, "record_bits_per_kept": 1.0, "bits_per_kept": 9.0, "bits": 10, "cycles": 3}
    results = [
        {**shared, **figures, "seed": seed, "compute_cycles": 2, "seconds": 1.0}
        | {"float": {"q": value}, "integer": {"q": value}}
        for seed, value in enumerate((1.0, 2.0, 6.0))
    ]

    (line,) = summarize(results)

    assert line["float"]["q"] == {"mean": 3.0, "std": 7.0**0.5, "min": 1.0, "max": 6.0}
    assert line["seeds"] == [0, 1, 2] and line["bits"] == 10
    fine = {**line, "method": "fine-grained", "float": {"q": {"mean": 2.0}}}
    assert gap_text(line, [line, fine]) == "+50.0 %"
    assert gap_text({**line, "density": 0.4}, [line, fine]) == "-"


def test_patterns_are_read_from_the_command_line() -> None:
    arch = ArchConfig.load("tiny")

    assert parse_pattern("mixed-vector:0.75", arch, 0.8).metadata_bits == 0.75
    assert parse_pattern("block:16", arch, 0.8).size == 16
    assert parse_pattern("n-m:2:4", arch, 0.8).kept_of == (2, 4)
    assert [n_m_of(sparsity) for sparsity in (0.8, 0.7, 0.6, 0.5)] == [(1, 5), (3, 10), (2, 5), (1, 2)]
    assert [n_m_of(sparsity) for sparsity in (0.0, 0.95, 0.98, 1.0)] == [(1, 1), (1, 16), (1, 16), (1, 16)]
    assert parse_pattern("vector", arch, 0.8) == parse_pattern("vector:2", arch, 0.8)
    assert parse_pattern("mixed-vector", arch, 0.8).metadata_bits == 0.6
    assert parse_pattern("head", arch, 0.2).method is Method.HEAD
    for text, message in (
        ("vector:x", "method vector:x must end in a length such as 4, not x"),
        ("mixed-vector:x", "must end in bits such as 0.6, not x"),
        ("n-m:2", "N and M must be two numbers such as 2:4, not 2"),
        ("head:3", "method head takes no parameter"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_pattern(text, arch, 0.8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--train", "absent.txt"], "file absent.txt cannot be read"),
        (["--method", "magic"], "`method` must be one of"),
        (["--method", "dense:ish"], "must be dense or dense:trained"),
        (["--recovery", "prayer"], "`--recovery` must be one of none, one-shot"),
        (["--task", "chess"], "`--task` must be one of language, embedding"),
        (["--score", "luck"], "`--score` must be one of"),
        (["--sparsity", "2"], "`--sparsity` must be from 0 to 1, not 2"),
        (["--device", "abacus"], "`--device` must be auto, cpu, or cuda"),
        (["--block", "17"], "`--block` must be from 1 to the model's 16 tokens, not 17"),
        (["--allocation", "fair"], "`--allocation` must be one of matrix, global"),
        (["--spans", "1.5"], "`spans` must be from 0 to 1, not 1.5"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, tmp_path: Path, run: Run, changes: list[str], message: str
) -> None:
    call = ["evaluate", folder / "model", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST]

    status, out, err = run(*call, "--method", "vector:4", *changes)

    assert (status, out) == (2, "")
    assert is_one_sentence(err) and message in err


def test_a_model_without_a_folder_needs_a_task(folder: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "file.bin").write_bytes(b"")

    data = ("--train", folder / "text.txt", "-o", tmp_path / "out", *FAST)
    cases = ((tmp_path / "file.bin", "is no model folder"), ("absent", "`--task` must be given"))

    for model, message in cases:
        status, _, err = run("evaluate", model, *data)
        assert status == 2 and is_one_sentence(err) and message in err


def test_weights_that_are_no_numbers_are_refused(folder: Path, tmp_path: Path, run: Run) -> None:
    model = tiny_model()
    model.transformer.h[1].mlp.c_fc.weight.data[3, 4] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "broken" / name).write_bytes((folder / "model" / name).read_bytes())

    status, out, err = run(
        "evaluate", tmp_path / "broken", "--train", folder / "text.txt", "-o", tmp_path / "out", *FAST
    )

    assert (status, out) == (2, "") and is_one_sentence(err)
    assert "c_fc.weight must be finite, but 1 of 4096 values are NaN or infinite" in err
