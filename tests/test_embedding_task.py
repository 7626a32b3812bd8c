"""Embeddings: pooled as they should be, judged against the dense model, trained towards it."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from codesign.subjects import Subject, load_subject
from spec.errors import ConfigError, FormatError
from sw.augment import Augmentation
from sw.embedding_task import EmbeddingTask, SentenceBatch, load_embedding_task
from sw.targets import find_targets

CPU = torch.device("cpu")
PERFECT = {"cosine": 1, "cosine_p05": 1, "retrieval": 1, "cosine_trained": 1}
WORDS = ["red", "blue", "sea", "sky", "boat", "hill", "small", "large", "old", "new", "sees"]
WORDS += ["is", "on", "under", "near", "and", "the", "a"]


def tiny_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of whole words, as BERT uses it."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def tiny_config(words: Sequence[str]) -> BertConfig:
    return BertConfig(
        vocab_size=len(words) + 4,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,
    )


def tiny_bert() -> nn.Module:
    torch.manual_seed(1)
    model: nn.Module = BertModel(tiny_config(WORDS))
    return model.eval()


def sentences(count: int, seed: int) -> list[str]:
    """Different sentences of 4 to 15 words."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        length = int(torch.randint(4, 16, (), generator=generator))
        chosen = torch.randint(len(WORDS), (length,), generator=generator)
        made[" ".join(WORDS[index] for index in chosen)] = None
    return list(made)


def tiny_task(model: nn.Module, **options: Any) -> EmbeddingTask:
    return EmbeddingTask(tiny_tokenizer(WORDS), model, sentences(200, 1), sentences(40, 2), **options)


class Bag(nn.Module):
    """Hidden states are rows of a table, so that every figure can be worked out by hand."""

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(rows))

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        states = self.table[input_ids]
        return SimpleNamespace(hidden_states=(0 * states, states))


class Letters:
    """One token per letter, none special: a is 0, b is 1, padding is 0."""

    pad_token_id = unk_token_id = None
    all_special_ids: Sequence[int] = ()

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0, "b": 1}

    def __call__(self, texts: list[str], truncation: bool, max_length: int) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) - ord("a") for letter in text[:max_length]] for text in texts]}


def prune(model: nn.Module, share: float = 0.5) -> None:
    for target in find_targets(model).values():
        weight = target.weight()
        target.assign(weight * (weight.abs() > weight.abs().quantile(share)))


def test_outputs_pool_to_the_mean_over_the_tokens_of_each_sentence() -> None:
    model = tiny_bert()
    task, tokenizer = tiny_task(model), tiny_tokenizer(WORDS)
    batch = task.batch(8, torch.Generator().manual_seed(3), CPU)
    lengths = batch.attention.sum(dim=1)
    assert len(set(lengths.tolist())) > 1  # padding is part of the test

    with torch.no_grad():
        pooled = task.outputs(model, batch)[-1].sum(dim=1) / lengths[:, None]
        for ids, length, embedding in zip(batch.ids, lengths, pooled, strict=True):
            text = tokenizer.decode(ids[1 : length - 1])
            alone = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            torch.testing.assert_close(embedding, alone[0].mean(dim=0), atol=1e-5, rtol=1e-4)


def test_batches_hold_different_sentences_of_neighbouring_lengths() -> None:
    task = tiny_task(tiny_bert())
    generator = torch.Generator().manual_seed(4)
    padded = tokens = 0
    seen = set()
    for _ in range(200):
        batch = task.batch(8, generator, CPU)
        rows = {tuple(row) for row in batch.ids.tolist()}
        assert batch.ids.shape == batch.attention.shape and batch.ids.dtype == torch.int64
        assert len(rows) == 8 and bool((batch.ids[batch.attention == 0] == 0).all())
        seen |= {tuple(token for token in row if token) for row in rows}
        padded += int((batch.attention == 0).sum())
        tokens += batch.attention.numel()

    assert padded < 0.15 * tokens  # 0.3 if drawn from all lengths
    assert len(seen) == 200


def test_batches_follow_the_generator() -> None:
    task = tiny_task(tiny_bert())

    first, second, other = (task.batch(8, torch.Generator().manual_seed(seed), CPU) for seed in (5, 5, 6))

    assert torch.equal(first.ids, second.ids)
    assert first.ids.shape != other.ids.shape or not torch.equal(first.ids, other.ids)


def test_sentences_vary_by_tokens_of_the_training_text_and_of_the_vocabulary() -> None:
    own, tokenizer = sentences(200, 1), tiny_tokenizer([*WORDS, "whale"])
    known, whales = [], []
    for spans, replaced in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.2)):
        varied = Augmentation(spans, replaced)
        task = EmbeddingTask(tokenizer, tiny_bert(), own, ["the sea", "the sky"], augmentation=varied)
        generator = torch.Generator().manual_seed(4)
        batches = [task.batch(8, generator, CPU) for _ in range(50)]
        lengths = [batch.attention.sum(dim=1).tolist() for batch in batches]
        rows = [
            row[1 : length - 1]
            for batch, its in zip(batches, lengths, strict=True)
            for row, length in zip(batch.ids.tolist(), its, strict=True)
        ]
        drawn = [tokenizer.convert_ids_to_tokens(row) for row in rows]
        words = [word for one in drawn for word in one]
        assert set(words) <= {*WORDS, "whale"}
        known.append(sum(" ".join(one) in own for one in drawn) / len(drawn))
        whales.append(words.count("whale") / len(words))

    # Hardly a span is a whole sentence by chance; one word in nineteen is a whale.
    assert known[:2] == [1, pytest.approx(0.5, abs=0.1)]
    assert whales == [0, 0, pytest.approx(0.2 / 19, abs=0.004)]


def test_distance_is_that_of_a_worked_example() -> None:
    # The third token is padding. Sums are (3, 4) and (4, 3): cosine 24 / 25.
    teacher = torch.tensor([[[1.0, 4.0], [2.0, 0.0], [0.0, 0.0]]])
    student = torch.tensor([[[1.0, 3.0], [3.0, 0.0], [0.0, 0.0]]])
    batch = SentenceBatch(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[1, 1, 0]]))
    # Errors 0, -1, 1, 0: mean square 1/2. Teacher 1, 4, 2, 0: variance 8.75 / 3. The layer before is exact.
    error = 0.5 / (8.75 / 3) / 2
    teacher, student = torch.stack([teacher, teacher]), torch.stack([teacher, student])
    for weight in (0.0, 1.0, 2.0):
        task = tiny_task(tiny_bert(), hidden_weight=weight)

        distance = task.distance(student, teacher, batch)

        assert float(distance) == pytest.approx(1 - 24 / 25 + weight * error, rel=1e-5)


def test_loss_is_the_distance_from_the_dense_model_whatever_becomes_of_the_given_one() -> None:
    model = tiny_bert()
    dense = copy.deepcopy(model)
    task = tiny_task(model)
    batch = task.batch(8, torch.Generator().manual_seed(7), CPU)
    assert task.loss(task.outputs(model, batch), batch).item() == pytest.approx(0, abs=1e-5)

    prune(model)
    outputs = task.outputs(model, batch)
    loss = task.loss(outputs, batch)

    with torch.no_grad():
        teacher = task.outputs(dense, batch)
    assert loss.item() > 0.01
    torch.testing.assert_close(loss, task.distance(outputs, teacher, batch))
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.get_submodule("encoder").parameters())


def test_figures_are_those_of_a_worked_example() -> None:
    dense = Bag([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    task = EmbeddingTask(Letters(), dense, ["aab"], ["a", "b", "c"])
    # Nearest of a, b, c in the dense model: b, a (cosine 0.8 against 0.6), b; here: b, c, b.
    turned = Bag([[2.0, 0.0], [0.6, 0.8], [0.0, 3.0]])

    figures = task.measure(turned)

    assert figures["cosine"] == pytest.approx((1 + 0.96 + 1) / 3)
    # Sorted cosines 0.96, 1, 1: the 5th percentile lies a tenth of the way from the first to the second.
    assert figures["cosine_p05"] == pytest.approx(0.964)
    assert figures["retrieval"] == pytest.approx(2 / 3)
    # aab adds up to (2.8, 0.6) in the dense model and to (4.6, 0.8) here.
    assert figures["cosine_trained"] == pytest.approx((2.8 * 4.6 + 0.6 * 0.8) / math.sqrt(8.2 * 21.8))


def test_dense_model_is_perfect_and_a_pruned_one_is_not() -> None:
    model = tiny_bert()
    task = tiny_task(model)

    assert task.measure(model) == pytest.approx(PERFECT, abs=1e-5)
    prune(model, 0.8)
    figures = task.measure(model)

    assert figures["cosine_p05"] < figures["cosine"] < 0.99 and figures["retrieval"] < 1


def test_measuring_leaves_the_training_flags_and_no_gradient() -> None:
    model = tiny_bert().train()
    model.get_submodule("encoder.layer.0").eval()
    before = {name: module.training for name, module in model.named_modules()}
    task = tiny_task(model)

    # Dropout is off: twice the same.
    assert task.measure(model) == task.measure(model)

    assert {name: module.training for name, module in model.named_modules()} == before
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_judging_sentences_are_not_trained_on() -> None:
    held_out = sentences(40, 2)
    own = "the boat is on the sea"
    task = EmbeddingTask(tiny_tokenizer(WORDS), tiny_bert(), [*held_out, own], held_out, judge=5)

    batch = task.batch(1, torch.Generator().manual_seed(0), CPU)

    assert tiny_tokenizer(WORDS).decode(batch.ids[0, 1:-1]) == own
    with pytest.raises(ConfigError, match="between 1 and the 1 training samples, not 2"):
        task.batch(2, torch.Generator(), CPU)


def test_training_towards_the_dense_model_recovers_the_embeddings() -> None:
    model = tiny_bert()
    task = tiny_task(model)
    prune(model, 0.7)
    before = task.measure(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(8)

    for _ in range(60):
        batch = task.batch(16, generator, CPU)
        optimizer.zero_grad()
        task.loss(task.outputs(model, batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    after = task.measure(model)
    assert 1 - after["cosine"] < 0.3 * (1 - before["cosine"])
    assert after["retrieval"] > before["retrieval"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 2}, "length must be between 3 and the model's 64 tokens, not 2"),
        ({"length": 65}, "length must be between 3 and the model's 64 tokens, not 65"),
        ({"judge": 1}, "judge must be at least 2 sentences, not 1"),
        ({"hidden_weight": -0.5}, "hidden_weight must not be negative, but is -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_task(tiny_bert(), **options)


def test_too_few_sentences_are_refused() -> None:
    tokenizer, model = tiny_tokenizer(WORDS), tiny_bert()
    with pytest.raises(ConfigError, match="at least 2 different sentences, not 1"):
        EmbeddingTask(tokenizer, model, ["the sea"], ["the sky", "the sky"])
    with pytest.raises(ConfigError, match="a sentence that judging does not have"):
        EmbeddingTask(tokenizer, model, ["the sky"], ["the sky", "the sea"])


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of running text, the first in WikiText's form."""
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    lines = [" . ".join(line.capitalize() for line in sentences(60, 10)[first::20]) for first in range(20)]
    train.write_text(" \n = Sea = \n \n" + "\n".join(f" {line} . " for line in lines))
    test.write_text("\n".join(f"{line.capitalize()}." for line in sentences(30, 11)))
    return train, test


def test_a_folder_loads_with_its_task(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    folder = tmp_path / "model"
    source = tiny_bert()
    source.save_pretrained(folder)  # type: ignore[operator]
    tiny_tokenizer(WORDS).save_pretrained(folder)

    model, task = load_embedding_task(folder, *texts, length=12, judge=10, hidden_weight=0.5)

    assert not model.training and (task.length, task.judge, task.hidden_weight) == (12, 10, 0.5)
    assert torch.equal(
        model.get_parameter("embeddings.word_embeddings.weight"),
        source.get_parameter("embeddings.word_embeddings.weight"),
    )
    assert task.batch(4, torch.Generator().manual_seed(1), CPU).ids.shape[1] <= 12
    assert task.measure(model)["cosine"] == pytest.approx(1)

    varied = Augmentation(spans=0.3, replaced=0.1)
    assert load_embedding_task(folder, *texts, augmentation=varied)[1].augmentation == varied
    loaded: Any = load_subject(Subject(str(folder), *texts, augmentation=varied))[1]
    assert loaded.augmentation == varied


def test_minilm_embeds_alike_what_means_alike(texts: tuple[Path, Path]) -> None:
    model, task = load_embedding_task("minilm", *texts, judge=4)
    written = ["A boat crosses the sea.", "The ship sails over the ocean.", "Interest rates rose on Monday."]
    pair = EmbeddingTask(load_tokenizer(), model, sentences(3, 12), written)

    assert task.measure(model) == pytest.approx(PERFECT, abs=1e-5)
    embeddings = pair._embed(model, pair._judged)
    cosines = embeddings @ embeddings.T
    # Rows are by length: rates, boat and ship are told apart by their likeness alone.
    assert float(cosines.fill_diagonal_(0).max()) > 0.6 > 0.2 > float(cosines[cosines != 0].min())


def load_tokenizer() -> Any:
    from transformers import AutoTokenizer

    from sw.models import model_folder

    return AutoTokenizer.from_pretrained(str(model_folder()), local_files_only=True)


def test_missing_and_unfit_files_are_refused(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    train, test = texts
    (tmp_path / "latin.txt").write_bytes("Der Fluß ist alt und sehr breit.".encode("latin-1"))
    (tmp_path / "short.txt").write_text("Too short. Far too short.")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigError, match=r"none\.txt cannot be read \(No such file or directory\)"):
        load_embedding_task("minilm", tmp_path / "none.txt", test)
    with pytest.raises(FormatError, match=r"latin\.txt must be UTF-8, and byte 7 is not"):
        load_embedding_task("minilm", train, tmp_path / "latin.txt")
    with pytest.raises(ConfigError, match=r"short\.txt has no sentence of 6 to 40 words"):
        load_embedding_task("minilm", train, tmp_path / "short.txt")
    with pytest.raises(ConfigError, match="model nowhere is neither `minilm` nor a model folder"):
        load_embedding_task("nowhere", train, test)
    with pytest.raises(ConfigError, match=r"empty is not a model that transformers can run \("):
        load_embedding_task(tmp_path / "empty", train, test)


def test_a_damaged_model_is_refused(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    folder = tmp_path / "model"
    tiny_bert().save_pretrained(folder)  # type: ignore[operator]
    tiny_tokenizer(WORDS).save_pretrained(folder)
    config, weights = folder / "config.json", folder / "model.safetensors"

    config.write_text(config.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    with pytest.raises(
        ConfigError, match=r"model lacks 16 weights of its model, encoder\.layer\.2\.attention"
    ):
        load_embedding_task(folder, *texts)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"model is not a model that transformers can run \("):
        load_embedding_task(folder, *texts)
