"""From a dense model to a sparse one and its integers, in one call."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from spec.arch import ArchConfig
from sw.input_quantizer import InputOptions
from sw.int8 import PackedProduct, int8_model
from sw.mask_search import Allocation
from sw.pack import pack
from sw.pattern import Method, Pattern
from sw.prune_model import PruneOptions, prune_model
from sw.recovery_options import RecoveryOptions
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, SparseModel, matrix_shapes, sparsify
from sw.targets import find_targets
from sw.unpack import unpack
from tests.tiny_language import tiny_model, tiny_task

ARCH = ArchConfig(clusters=1, lanes=2, tokens=2, segment=8)
MIXED = Pattern(ARCH, metadata_bits=2.0)
OPTIONS = RecoveryOptions(steps=24, size=4, learning_rate=1e-2, warm_up=4, observed=4, interval=4)


def recipe(pattern: Pattern, recovery: RecoveryMethod, **options: Any) -> Recipe:
    prune = PruneOptions(pattern, allocation=Allocation.GLOBAL)
    return Recipe(prune, recovery, replace(OPTIONS, **options), stages=3, batches=4)


def sparse_model(one: Recipe, density: float = 0.25) -> SparseModel:
    model = tiny_model()
    weights = sum(its.rows * its.cols for its in find_targets(model).values())
    return sparsify(model, tiny_task(), round(weights * density), one)


@pytest.mark.parametrize("recovery", RecoveryMethod)
@pytest.mark.parametrize(
    "pattern",
    [Pattern(ARCH, metadata_bits=2.0), Pattern(ARCH, Method.BLOCK, length=4)],
    ids=["mixed", "block"],
)
def test_every_recovery_keeps_the_count_and_the_masks(recovery: RecoveryMethod, pattern: Pattern) -> None:
    sparse = sparse_model(recipe(pattern, recovery))

    weights = sum(its.mask.size for its in sparse.pruned.values())
    kept = sum(its.kept for its in sparse.pruned.values())
    unit = 16 if pattern.method is Method.BLOCK else 2
    assert abs(kept - weights / 4) <= unit / 2
    for name, its in sparse.pruned.items():
        assert not sparse.targets[name].weight().numpy()[~its.mask].any()
    if pattern.method is Method.MIXED_VECTOR:
        assert sum(its.record_bits for its in sparse.pruned.values()) <= 2.0 * kept


@pytest.mark.parametrize("score", [Score.MAGNITUDE, Score.ACTIVATION, Score.SECOND_ORDER, Score.MOVEMENT])
def test_every_score_prunes_a_model(score: Score) -> None:
    sparse = sparse_model(recipe(Pattern(ARCH), RecoveryMethod.FINE_TUNE, score=score))

    assert sum(its.kept for its in sparse.pruned.values()) == 6144


QUANTIZATIONS = [InputOptions(), InputOptions(per_token=True), InputOptions(per_token=True, smoothing=0.7)]


@pytest.mark.parametrize("options", QUANTIZATIONS, ids=["tensor", "token", "smoothed"])
def test_the_packed_model_answers_as_the_integer_model(options: InputOptions) -> None:
    one = recipe(Pattern(ARCH, metadata_bits=2.0), RecoveryMethod.FINE_TUNE, quantized=0.5)
    sparse = sparse_model(replace(one, inputs=options))
    task, inputs = tiny_task(), sparse.inputs()
    file = unpack(pack(sparse.quantized(ARCH, inputs), ARCH))
    batch = task.batch(2, torch.Generator().manual_seed(1), torch.device("cpu"))

    products = {layer.name: PackedProduct(layer, ARCH) for layer in file.layers}
    layers = {layer.name: layer for layer in file.layers}
    scales = {name: its.scale for name, its in sparse.rounding.inputs.items()}
    packed = int8_model(sparse.model, layers, scales, sparse.targets, products=products)

    with torch.no_grad():
        expected = task.outputs(sparse.integer_model(ARCH, inputs), batch)
        assert torch.equal(task.outputs(packed, batch), expected)
        assert not torch.equal(task.outputs(sparse.model, batch), expected)
    assert {layer.smoothing is None for layer in file.layers} == {not options.smoothing}


def test_training_with_integers_serves_the_integer_model() -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=2, segment=8, weight_width=2)
    task, losses = tiny_task(), []
    for quantized in (0.0, 0.6):
        model = tiny_model()
        options = replace(OPTIONS, steps=150, quantized=quantized, score=Score.MAGNITUDE)
        prune = PruneOptions(Pattern(arch))
        sparse = sparsify(model, task, 12288, Recipe(prune, RecoveryMethod.FINE_TUNE, options, batches=4))
        losses.append(task.measure(sparse.integer_model(arch, sparse.inputs()))["loss"])

    assert losses[1] < losses[0]


def test_a_bert_encoder_is_pruned_by_heads() -> None:
    config = BertConfig(
        vocab_size=33,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    model, task = BertModel(config), tiny_task()
    one = recipe(Pattern(ARCH, Method.HEAD), RecoveryMethod.NONE, score=Score.MAGNITUDE)
    weights = sum(its.rows * its.cols for its in find_targets(model).values())

    sparse = sparsify(model, task, weights - 4 * 1024, one)

    assert sparse.pruned["layer0.ff_up"].mask.all()
    assert weights - sum(its.kept for its in sparse.pruned.values()) == 4 * 1024


def test_directions_and_orders_come_from_the_dense_model() -> None:
    one = recipe(MIXED, RecoveryMethod.ONE_SHOT, score=Score.MAGNITUDE)
    targets = find_targets(tiny_model())
    scores = {name: its.weight().abs().numpy() for name, its in targets.items()}
    dense = prune_model(scores, matrix_shapes(targets), 6144, one.prune)

    sparse = sparse_model(one)

    for name, its in sparse.pruned.items():
        assert its.direction is dense[name].direction and its.strengths == dense[name].strengths
        assert np.array_equal(its.order, dense[name].order)
