"""Prunable matrices are found in any module, and read and written as M x K."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForQuestionAnswering, BertModel
from transformers.pytorch_utils import Conv1D

from spec.errors import ConfigError
from sw.models import load_matrices
from sw.targets import Role, find_targets
from tests.tiny_language import tiny_model

BERT: dict[str, Any] = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES: dict[str, Any] = {"intermediate_size": 64, "max_position_embeddings": 16}


@pytest.mark.parametrize("kind", [BertModel, BertForQuestionAnswering])
def test_bert_layers_have_four_matrices_with_stacked_attention(kind: Any) -> None:
    model: Any = kind(BertConfig(**BERT, **SIZES))

    targets = find_targets(model)

    parts = ("qkv", "attention_output", "ff_up", "ff_down")
    assert list(targets) == [f"layer{layer}.{part}" for layer in range(2) for part in parts]
    encoder = (model if kind is BertModel else model.bert).encoder.layer[1]
    attention = encoder.attention.self
    stacked = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
    assert torch.equal(targets["layer1.qkv"].weight(), stacked)
    assert torch.equal(targets["layer1.ff_down"].weight(), encoder.output.dense.weight)
    assert [targets[f"layer0.{part}"].heads for part in parts] == [4, 4, 0, 0]
    assert (targets["layer0.qkv"].rows, targets["layer0.qkv"].cols) == (96, 32)


def test_gpt2_matrices_are_turned_to_outputs_by_inputs() -> None:
    model = tiny_model()

    targets = find_targets(model)

    assert torch.equal(targets["layer0.qkv"].weight(), model.transformer.h[0].attn.c_attn.weight.T)
    assert targets["layer1.ff_up"].role is Role.FF_UP
    assert (targets["layer1.ff_up"].rows, targets["layer1.ff_up"].cols) == (128, 32)


def test_names_are_those_of_the_matrices_read_from_files(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(str(tmp_path))

    matrices, targets = load_matrices(str(tmp_path)), find_targets(model)

    assert list(matrices) == list(targets)
    assert all(torch.equal(matrices[name], targets[name].weight()) for name in matrices)


def test_any_module_offers_its_linear_and_conv1d_layers() -> None:
    turned: Any = Conv1D
    model: Any = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), turned(7, 5), nn.Conv2d(1, 1, 1))

    targets = find_targets(model)

    assert list(targets) == ["0", "2"]
    assert [(its.rows, its.cols) for its in targets.values()] == [(5, 3), (7, 5)]
    assert torch.equal(targets["2"].weight(), model[2].weight.T)


def test_a_tied_output_layer_is_left_alone() -> None:
    model: Any = nn.ModuleDict(
        {"embedding": nn.Embedding(9, 4), "head": nn.Linear(4, 9), "own": nn.Linear(4, 2)}
    )
    model["head"].weight = model["embedding"].weight

    assert list(find_targets(model)) == ["own"]


def test_assigning_reaches_every_module() -> None:
    model: Any = BertModel(BertConfig(**BERT, **SIZES))
    target = find_targets(model)["layer0.qkv"]
    wanted = torch.arange(96 * 32).float().view(96, 32)

    target.assign(wanted)

    assert torch.equal(model.encoder.layer[0].attention.self.key.weight, wanted[32:64])
    assert torch.equal(target.weight(), wanted)
    assert torch.equal(target.join(list(target.split(wanted))), wanted)


def test_a_matrix_of_another_shape_is_refused() -> None:
    target = find_targets(tiny_model())["layer0.qkv"]

    with pytest.raises(ConfigError, match=r"matrix layer0.qkv must be 96 x 32, not \(2, 2\)"):
        target.assign(torch.ones(2, 2))


def test_a_model_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="Sequential has no Linear or Conv1D layer to prune"):
        find_targets(nn.Sequential(nn.ReLU()))
