"""`mixvec embed` and `mixvec generate`: the same numbers on every backend, and refusals in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from codesign.whole import load_model
from codesign.whole.sentence_encoder import PACKED_MINILM, load_sentence_encoder
from sw import calibration
from sw.pruned_state import PrunedState
from tests.command_runs import Run, is_one_sentence
from tests.tiny_language import tiny_model

WORDS = ["[PAD]", "[UNK]", "the", "cat", "dog", "sat", "on", "a", "mat", "it", "was", "old", "new", "red"]
SENTENCES = ["the cat sat on a mat", "it was new"]


def save(folder: Path, model: torch.nn.Module, words: list[str], split: pre_tokenizers.PreTokenizer) -> Path:
    """A model folder whose tokens are ``words``."""
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=words[1])
    )
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.Fuse()
    model.save_pretrained(folder)  # type: ignore[operator]
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, pad_token=words[0], unk_token=words[1]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer, 16 features and a few words."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    model = BertModel(config, add_pooling_layer=False)
    return save(tmp_path_factory.mktemp("bert"), model, WORDS, pre_tokenizers.Whitespace())


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of two layers, and 33 characters."""
    characters = [chr(ord("A") + place) for place in range(33)]
    split = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return save(tmp_path_factory.mktemp("gpt2"), tiny_model(initializer_range=0.3), characters, split)


def test_embeddings_of_rtl_are_those_of_the_reference_and_its_cycles_those_of_the_estimate(
    run: Run, bert: Path, tmp_path: Path
) -> None:
    model = ["embed", *SENTENCES, "--model", bert, "--json"]
    status, out, err = run(
        *model, "--arch", "tiny", "--sparsity", "0.5", "--backend", "reference", "--save", tmp_path / "b.mxv"
    )
    assert status == 0, err
    reference = json.loads(out)
    found = {
        name: json.loads(run(*model, "--packed", tmp_path / "b.mxv", "--backend", name)[1])
        for name in ("rtl", "estimate")
    }

    assert found["rtl"]["embeddings"] == reference["embeddings"]
    assert reference["cycles"] is None and found["rtl"]["cycles"] == found["estimate"]["cycles"] > 0
    assert found["rtl"]["report"] == found["estimate"]["report"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.mxv"]


def test_nothing_pruned_embeds_nearly_as_the_model_itself(run: Run, bert: Path) -> None:
    status, out, _ = run(
        "embed",
        *SENTENCES,
        "--model",
        bert,
        "--json",
        "--arch",
        "tiny",
        "--sparsity",
        "0",
        "--backend",
        "estimate",
    )
    model = AutoModel.from_pretrained(bert)
    embeddings = []
    for sentence in SENTENCES:
        ids = torch.tensor([[WORDS.index(word) for word in sentence.split()]])
        with torch.no_grad():
            embeddings.append(
                functional.normalize(model(input_ids=ids).last_hidden_state.mean(dim=1), dim=-1)
            )

    assert status == 0
    assert torch.allclose(torch.tensor(json.loads(out)["embeddings"]), torch.cat(embeddings), atol=0.03)


@pytest.mark.parametrize(
    ("options", "per_token", "smoothed"),
    [
        ((), True, True),
        (("--input-scales", "tensor"), False, True),
        (("--smoothing", "0"), True, False),
        (("--input-scales", "tensor", "--smoothing", "0"), False, False),
    ],
)
def test_both_commands_quantize_inputs_as_asked_for(
    run: Run,
    bert: Path,
    gpt2: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    per_token: bool,
    smoothed: bool,
) -> None:
    for command, model in ((("embed", SENTENCES[0]), bert), (("generate", "A", "--tokens", "1"), gpt2)):
        path = tmp_path / f"{command[0]}.mxv"
        common = ("--arch", "tiny", "--sparsity", "0.5", "--backend", "reference", "--save", path)
        status, _, err = run(*command, "--model", model, *common, *options)
        assert status == 0, err
        packed = load_model(path)
        assert {scale is None for scale in packed.scales.values()} == {per_token}
        assert {layer.smoothing is not None for layer in packed.layers.values()} == {smoothed}


def test_generated_tokens_of_rtl_are_those_of_the_reference(run: Run, gpt2: Path, tmp_path: Path) -> None:
    prompt = ["generate", "AB", "--model", gpt2, "--tokens", "5", "--json"]
    status, out, err = run(*prompt, "--arch", "tiny", "--backend", "reference", "--save", tmp_path / "g.mxv")
    assert status == 0, err
    reference = json.loads(out)
    rtl, estimate = (
        json.loads(run(*prompt, "--packed", tmp_path / "g.mxv", "--backend", name)[1])
        for name in ("rtl", "estimate")
    )

    assert rtl["tokens"] == reference["tokens"] and len(rtl["tokens"]) == 5
    assert rtl["text"] == "AB" + "".join(chr(ord("A") + token) for token in rtl["tokens"])
    assert rtl["report"] == estimate["report"]
    # The prompt's two tokens and four of the five written ones go in.
    assert {layer["tokens"] for layer in rtl["report"]["layers"]} == {6}
    assert rtl["cycles_per_token"] == rtl["cycles"] / 6


def text_of(path: Path, seed: int, count: int) -> list[str]:
    """Sentences of six known words each, in a file; none has to be padded."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(2, len(WORDS), (count, 6), generator=generator).tolist()
    sentences = [" ".join(WORDS[word] for word in row) for row in drawn]
    path.write_text("\n".join(f"{one}." for one in sentences) + "\n")
    return [f"{one}." for one in sentences]


def test_a_model_that_evaluate_trained_embeds_as_it_was_judged(run: Run, bert: Path, tmp_path: Path) -> None:
    text_of(tmp_path / "train.txt", 0, 64)
    judged = text_of(tmp_path / "test.txt", 1, 12)
    training = "--steps 30 --quantized 0.2 --distillation 1 --learning-rate 1e-2 --jobs 1"
    status, _, err = run(
        *("evaluate", bert, "--train", tmp_path / "train.txt", "--test", tmp_path / "test.txt", "--keep"),
        *("-o", tmp_path / "out", "--method", "mixed-vector:2", "--arch", "tiny", "--sparsity", "0.95"),
        *("--seeds", "1", *training.split()),
    )
    assert status == 0, err
    (result,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["results"]
    kept = tmp_path / "out" / "trials" / result["kept_model"]

    model = ["embed", *judged, "--model", bert, "--json", "--backend"]
    status, out, err = run(*model, "estimate", "--start", kept, "--save", tmp_path / "k.mxv")
    assert status == 0, err
    packed = run(*model, "rtl", "--packed", tmp_path / "k.mxv")[1]

    found = json.loads(out)
    assert json.loads(packed)["embeddings"] == found["embeddings"]
    assert json.loads(packed)["cycles"] == found["cycles"]
    dense = load_sentence_encoder(str(bert))
    wanted = dense.embed(dense.batches(judged))
    cosine = (torch.tensor(found["embeddings"]) * wanted).sum(dim=1).mean()
    # Residuals dominate so small a model: what pruning takes is little, but far more than rounding does.
    assert float(cosine) == pytest.approx(result["integer"]["cosine"], abs=1e-6)
    assert result["integer"]["cosine"] < 1 - 2e-5
    whole = load_model(tmp_path / "k.mxv")
    provenance = whole.provenance
    assert (provenance["start"], provenance["steps"], provenance["inputs"]) == (kept.name, 30, "per tensor")
    state = PrunedState.load(kept)
    assert whole.scales == {name: pytest.approx(its.scale) for name, its in state.inputs.items()}
    status, _, err = run(
        *("evaluate", bert, "--train", tmp_path / "train.txt", "--test", tmp_path / "test.txt"),
        *("-o", tmp_path / "on", "--method", "mixed-vector:2", "--arch", "tiny", "--sparsity", "0.95"),
        *("--seeds", "1", "--recovery", "none", "--start", tmp_path / "k.mxv"),
    )
    assert status == 0, err
    (judged_again,) = json.loads((tmp_path / "on" / "evaluation.json").read_text())["results"]
    assert judged_again["start"] == "k.mxv" and judged_again["bits"] == result["bits"]
    for now, before in zip(judged_again["layers"], result["layers"], strict=True):
        assert all(now[name] == before[name] for name in ("direction", "kept", "record_bits", "lengths"))
    status, _, err = run(
        *("evaluate", bert, "--train", tmp_path / "train.txt", "-o", tmp_path / "alien", "--seeds", "1"),
        *("--method", "vector:4", "--start", "minilm"),
    )
    assert status == 2 and f"{PACKED_MINILM}: layer" in err
    # What is not asked for stays as it was kept.
    for option, per_token, smoothed in (
        (("--smoothing", "0.5"), False, True),
        (("--input-scales", "token"), True, False),
        (("--calibrate", tmp_path / "train.txt"), False, False),
    ):
        status, _, err = run(*model, "estimate", "--start", kept, "--save", tmp_path / "o.mxv", *option)
        assert status == 0, err
        other = load_model(tmp_path / "o.mxv")
        assert {scale is None for scale in other.scales.values()} == {per_token}
        assert {layer.smoothing is not None for layer in other.layers.values()} == {smoothed}
    assert provenance["sparsity"] == pytest.approx(0.95, abs=1e-3)
    status, out, _ = run("inspect", tmp_path / "k.mxv")
    assert status == 0 and "parameters around the layers: " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("embed", " ", "--model", "BERT"), "TEXT must be sentences, but ' ' is empty"),
        (
            ("embed", "a", "--model", "BERT", "--input-scales", "layer"),
            "`--input-scales` must be one of tensor, token, not layer",
        ),
        (("embed", "a", "--model", "BERT", "--smoothing", "2"), "smoothing must be from 0 to 1, not 2"),
        (
            ("embed", "a", "--model", "BERT", "--packed", "x.mxv", "--smoothing", "0.5"),
            "`--smoothing` belongs to a model that is packed now, not to `--packed`",
        ),
        (("embed", "a", "--model", "nowhere"), "model nowhere is neither `minilm` nor a model folder"),
        (
            ("embed", "a", "--model", "BERT", "--arch", "tiny", "--backend", "gpu"),
            "`--backend` must be one of reference, estimate, rtl, board, not gpu",
        ),
        (
            ("embed", "a", "--model", "BERT", "--backend", "board"),
            "belong to `--backend board`, which needs one",
        ),
        (
            ("generate", "A", "--model", "GPT2", "--backend", "board", "--port", "p", "--twin", "ulx3s"),
            "belong to `--backend board`, which needs one",
        ),
        (("generate", "A", "--model", "GPT2", "--port", "p"), "belong to `--backend board`, which needs one"),
        (
            ("embed", "a", "--model", "BERT", "--backend", "board", "--twin", "nowhere"),
            "board nowhere is unknown",
        ),
        (
            ("embed", "a", "--model", "BERT", "--packed", "x.mxv", "--arch", "tiny"),
            "`--arch` belongs to a model",
        ),
        (("embed", "a", "--model", "BERT", "--packed", "x.mxv"), "x.mxv cannot be read"),
        (
            ("embed", "a", "--model", "BERT", "--packed", "x.mxv", "--start", "x.pt"),
            "`--start` belongs to a model that is packed now, not to `--packed`; drop one",
        ),
        (
            ("generate", "A", "--tokens", "2", "--model", "GPT2", "--packed", "x.mxv", "--sparsity", "0.5"),
            "`--sparsity` belongs to a model that is packed now, not to `--packed`; drop one",
        ),
        (("embed", "a", "--model", "BERT", "--start", "x.pt"), "x.pt is not a readable pruned model"),
        (
            ("generate", "A", "--tokens", "2", "--model", "GPT2", "--start", "x.pt", "--sparsity", "0.5"),
            "`--sparsity` belongs to a model that is pruned now, not to `--start`; drop one",
        ),
        (("embed", "a", "--model", "BERT", "--sparsity", "2"), "`--sparsity` must be from 0 to 1, not 2"),
        (
            ("embed", "a", "--model", "BERT", "--clock", "-1", "--arch", "tiny"),
            "`--clock` must be a positive number",
        ),
        (("generate", "", "--model", "GPT2"), "the prompt must have at least one token"),
        (("generate", "z", "--model", "GPT2"), "has characters that the model does not know"),
        (("generate", "A", "--model", "GPT2", "--tokens", "16"), "exceed the model's 16 positions"),
        (("generate", "A", "--model", "BERT"), "lacks 6 weights of its model"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    run: Run, bert: Path, gpt2: Path, arguments: tuple[str, ...], message: str
) -> None:
    folders = {"BERT": bert, "GPT2": gpt2}
    status, out, err = run(*(folders.get(one, one) for one in arguments))

    assert (status, out) == (2, "")
    assert message.replace("BERT", str(bert)) in err and is_one_sentence(err)


@pytest.mark.parametrize("said", [(), ("--arch", "ulx3s", "--sparsity", "0.8"), ("--arch", "paper")])
def test_the_packed_minilm_that_comes_along_embeds_nearly_as_the_dense_one(
    run: Run, said: tuple[str, ...]
) -> None:
    sentences = calibration.SENTENCES[:8]
    status, out, err = run("embed", *sentences, "--backend", "estimate", "--json", *said)

    assert status == 0, err
    found = torch.tensor(json.loads(out)["embeddings"])
    encoder, packed = load_sentence_encoder("minilm"), load_model(PACKED_MINILM)
    batches = encoder.batches(sentences)
    dense = encoder.embed(batches)
    encoder.model = packed.integer_model(encoder.model)
    assert torch.equal(found, encoder.embed(batches))
    weights = sum(its.rows * its.cols for its in packed.layers.values())
    assert packed.kept == pytest.approx(0.2 * weights, rel=1e-3)
    cosines = (found * dense).sum(dim=1)
    assert float(cosines.mean()) > 0.88
