"""Compiling a model: what is packed, how its inputs are quantized, what is left out, what is refused."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codesign.whole import PackedModel, attach, compile_model, compile_pruned, load_model, save_model
from codesign.whole.compilation import default_recipe
from codesign.whole.files import load_start
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from sw.input_batches import InputBatches
from sw.input_quantizer import InputOptions
from sw.int8 import int8_model
from sw.prune_model import PruneOptions
from sw.pruned_state import PrunedState
from sw.recovery_options import RecoveryOptions, Trained
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, SparseModel, sparsify
from tests.tiny_models import (
    outlying_gpt2,
    tiny_gpt2,
    tiny_logits,
    token_inputs,
)

ARCH = ArchConfig.load("tiny")
KEPT = 9830
"""Four tenths of the small GPT-2's weights."""


@pytest.fixture(scope="module")
def gpt2() -> nn.Module:
    return outlying_gpt2()


@pytest.fixture(scope="module")
def packed(gpt2: nn.Module) -> PackedModel:
    return compile_model(gpt2, ARCH, 0.6, token_inputs(3), provenance={"model": "tiny"})


@pytest.mark.parametrize(
    "options", [InputOptions(), InputOptions(per_token=True), InputOptions(smoothing=0.5)]
)
def test_inputs_are_quantized_as_asked_for(gpt2: nn.Module, options: InputOptions) -> None:
    packed = compile_model(gpt2, ARCH, 0.6, token_inputs(1), inputs=options)

    assert {scale is None for scale in packed.scales.values()} == {options.per_token}
    assert {layer.smoothing is None for layer in packed.layers.values()} == {options.smoothing == 0}
    assert packed.provenance["inputs"] == ("per token" if options.per_token else "per tensor")
    assert packed.provenance["smoothing"] == options.smoothing
    with attach(gpt2, packed, "reference", tell=lambda sentence: None):
        found = tiny_logits(gpt2)
    assert torch.equal(found, tiny_logits(packed.integer_model(gpt2)))


class Chain(nn.Module):
    """Four layers, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(48, 16), nn.Linear(16, 48)
        self.third, self.fourth = nn.Linear(48, 16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.second(self.first(x).relu()).relu()
        found: torch.Tensor = self.fourth(self.third(hidden).relu())
        return found


@pytest.mark.parametrize("seed", range(12))
def test_layers_that_psums_exclude_are_left_out_whatever_that_changes(seed: int) -> None:
    """What is left out changes the inputs of the others, their smoothing and so their integers."""
    arch = ArchConfig(clusters=1, lanes=2, tokens=2, psum_width=17)
    torch.manual_seed(seed)
    model = Chain()
    try:
        packed = compile_model(model, arch, 0.7, [torch.randn(8, 48) for _ in range(2)])
    except ConfigError as error:
        assert "the architecture can hold no layer of the model" in str(error)
        return
    assert packed.layers.keys() | packed.left_out.keys() == {"first", "second", "third", "fourth"}
    assert all("raise `psum_width`" in reason for reason in packed.left_out.values())


class Pooled(nn.Module):
    """One layer meets a single vector, and one of two meets nothing at times."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.left, self.right = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chosen, found = x[:, 0] > 0, torch.zeros_like(x)
        found[chosen], found[~chosen] = self.left(x[chosen]), self.right(x[~chosen])
        gated: torch.Tensor = found * self.gate(x.mean(dim=0)).sigmoid()
        return gated


def test_inputs_of_one_vector_and_of_none_are_calibrated() -> None:
    torch.manual_seed(0)
    model, batches = Pooled(), [torch.randn(4, 16), torch.randn(4, 16), torch.randn(4, 16).abs()]

    packed = compile_model(model, ARCH, 0.5, batches)

    assert set(packed.layers) == {"gate", "left", "right"}
    with attach(model, packed, "reference"), torch.no_grad():
        found = model(batches[-1])
    integers = packed.integer_model(model)
    with torch.no_grad():
        assert torch.equal(found, integers(batches[-1]))


def test_compiling_again_gives_the_same_bytes(gpt2: nn.Module, packed: PackedModel) -> None:
    before = copy.deepcopy(gpt2.state_dict())

    assert compile_model(gpt2, ARCH, 0.6, token_inputs(3), provenance={"model": "tiny"}).data == packed.data
    assert all(torch.equal(value, before[name]) for name, value in gpt2.state_dict().items())


def test_trained_matrices_fit_the_model_as_it_is_and_bring_it_nearer() -> None:
    gpt2 = tiny_gpt2()
    one_cut = replace(default_recipe(ARCH, 2), recovery=RecoveryMethod.NONE)
    training = RecoveryOptions(
        steps=200, score=Score.ACTIVATION, distillation=1.0, quantized=0.2, trained=Trained.MATRICES
    )
    trained = replace(one_cut, recovery=RecoveryMethod.FINE_TUNE, training=training)
    steps: list[int] = []

    errors = []
    for recipe in (one_cut, trained):
        packed = compile_model(gpt2, ARCH, 0.6, token_inputs(2), recipe=recipe, progress=steps.append)
        integers = packed.integer_model(gpt2)
        errors.append(float((tiny_logits(integers) - tiny_logits(gpt2)).square().mean()))
        with attach(gpt2, packed, "estimate", tell=lambda sentence: None):
            assert torch.equal(tiny_logits(gpt2), tiny_logits(integers))

    assert errors[1] < 0.5 * errors[0]
    assert sum(steps) == training.steps
    assert packed.provenance["steps"] == training.steps


@pytest.fixture(scope="module", params=[Trained.NO_TABLES, Trained.ALL])
def pruned(request: pytest.FixtureRequest, gpt2: nn.Module) -> SparseModel:
    """The model pruned and trained outside its layers too, with its integers."""
    training = RecoveryOptions(
        steps=30, score=Score.ACTIVATION, distillation=1.0, quantized=0.2, trained=request.param
    )
    recipe = replace(default_recipe(ARCH, 2), recovery=RecoveryMethod.FINE_TUNE, training=training)
    return sparsify(copy.deepcopy(gpt2), InputBatches(token_inputs(2)), KEPT, recipe)


def test_what_is_trained_around_the_layers_travels_with_them(
    gpt2: nn.Module, pruned: SparseModel, tmp_path: Path
) -> None:
    inputs, before = pruned.inputs(), copy.deepcopy(gpt2.state_dict())
    # Not through any file: the trained model itself, its targets multiplied as integers.
    wanted = tiny_logits(pruned.integer_model(ARCH, inputs))

    pruned.state(inputs).save(tmp_path / "kept.pt")
    save_model(compile_pruned(gpt2, PrunedState.load(tmp_path / "kept.pt")), tmp_path / "m.mxv")
    packed = load_model(tmp_path / "m.mxv")

    assert torch.equal(tiny_logits(packed.integer_model(gpt2)), wanted)
    plain = tiny_logits(gpt2)
    with attach(gpt2, packed, "reference", tell=lambda sentence: None):
        assert torch.equal(tiny_logits(gpt2), wanted)
        with pytest.raises(ConfigError, match="attached to something already; detach them first"):
            attach(gpt2, packed, "estimate")
    assert torch.equal(tiny_logits(gpt2), plain) and not torch.equal(plain, wanted)
    assert all(torch.equal(value, before[name]) for name, value in gpt2.state_dict().items())
    after = pruned.model.state_dict()
    tables = {"transformer.wte.weight", "transformer.wpe.weight"}
    changed = {name for name in tables if not torch.equal(after[name], before[name])}
    assert tables & packed.trained.keys() == changed and "transformer.ln_f.weight" in packed.trained
    assert packed.provenance["sparsity"] == 0.6 and packed.provenance["recovery"] == "fine-tune"


def test_a_packed_model_goes_on_where_it_was_packed(
    gpt2: nn.Module, pruned: SparseModel, tmp_path: Path
) -> None:
    inputs, before = pruned.inputs(), copy.deepcopy(gpt2.state_dict())
    # Some row reaches the largest integer, where a weight rounded up would need a larger scale.
    assert any((np.abs(its.weights) == 127).any() for its in pruned.quantized(ARCH, inputs))
    wanted = tiny_logits(pruned.integer_model(ARCH, inputs))
    kept = pruned.state(inputs)
    save_model(compile_pruned(gpt2, kept), tmp_path / "m.mxv")

    start = load_start(tmp_path / "m.mxv", gpt2)
    other = compile_pruned(gpt2, start, arch=ArchConfig.load("small"))

    assert start.pruning == kept.pruning
    assert compile_pruned(gpt2, start).data == (tmp_path / "m.mxv").read_bytes()
    assert torch.equal(tiny_logits(other.integer_model(gpt2)), wanted)
    assert all(torch.equal(value, before[name]) for name, value in gpt2.state_dict().items())
    for name, its in kept.masks.items():
        assert np.array_equal(start.masks[name], its)
        assert np.array_equal(start.placements[name].order, kept.placements[name].order)
    plain = RecoveryOptions(score=Score.MAGNITUDE)
    recipe = Recipe(
        PruneOptions(start.pruning.pattern), RecoveryMethod.NONE, plain, inputs=start.pruning.options
    )
    task = InputBatches(token_inputs(2))
    again = sparsify(copy.deepcopy(gpt2), task, KEPT, recipe, start=start)
    assert torch.equal(tiny_logits(again.integer_model(ARCH, start.inputs)), wanted)
    silent = replace(load_model(tmp_path / "m.mxv"), pruning=None)
    with pytest.raises(ConfigError, match="does not say how it was pruned; start from one that was kept"):
        PrunedState.unpacked(silent, gpt2)
    with pytest.raises(ConfigError, match=r"m\.mxv: the packed model has a layer"):
        load_start(tmp_path / "m.mxv", Chain())
    (tmp_path / "m.mxv").write_bytes(b"nonsense")
    with pytest.raises(FormatError, match="is neither a pruned model that was kept nor a packed model"):
        load_start(tmp_path / "m.mxv", gpt2)


def test_one_call_prunes_trains_and_packs_the_same(gpt2: nn.Module) -> None:
    training = RecoveryOptions(steps=30, score=Score.ACTIVATION, distillation=1.0, quantized=0.2)
    recipe = replace(default_recipe(ARCH, 2), recovery=RecoveryMethod.FINE_TUNE, training=training)
    task = InputBatches(token_inputs(2))
    # Batches come in turn, and compiling looks at one first, for the layers that are called.
    task.batch(1, torch.Generator(), torch.device("cpu"))
    sparse = sparsify(copy.deepcopy(gpt2), task, KEPT, recipe)
    wanted = tiny_logits(sparse.integer_model(ARCH, sparse.inputs()))

    packed = compile_model(gpt2, ARCH, 0.6, token_inputs(2), recipe=recipe)

    assert torch.equal(tiny_logits(packed.integer_model(gpt2)), wanted)


def test_a_pruned_model_can_be_quantized_and_packed_otherwise(gpt2: nn.Module, pruned: SparseModel) -> None:
    state, options = pruned.state(pruned.inputs()), InputOptions(per_token=False, smoothing=0.0)
    wide = ArchConfig.load("small")

    packed = compile_pruned(gpt2, state, token_inputs(1), arch=wide, inputs=options)

    assert packed.arch == wide and all(scale is not None for scale in packed.scales.values())
    assert packed.provenance["inputs"] == "per tensor" and packed.provenance["smoothing"] == 0
    assert packed.provenance["steps"] == 30
    with attach(gpt2, packed, "estimate", tell=lambda sentence: None):
        found = tiny_logits(gpt2)
    assert torch.equal(found, tiny_logits(packed.integer_model(gpt2)))
    with pytest.raises(ConfigError, match="pruned for a `weight_width` of 8, not 4; give an architecture"):
        compile_pruned(gpt2, state, token_inputs(1), arch=ARCH.model_copy(update={"weight_width": 4}))
    with pytest.raises(ConfigError, match="has other matrices than this one"):
        compile_pruned(Chain(), state)
    with pytest.raises(ConfigError, match="need a calibration; give what the model meets"):
        compile_pruned(gpt2, state, inputs=options)
    with attach(gpt2, packed, "estimate", tell=lambda sentence: None):
        for use in (compile_pruned, lambda model, _: packed.integer_model(model)):
            with pytest.raises(ConfigError, match="attached to something already; detach them first"):
                use(gpt2, state)


def test_a_trained_layer_that_the_architecture_refuses_stays_as_it_was_trained() -> None:
    # Psums of 19 bits hold products of 16 inputs here, but not of 48.
    torch.manual_seed(0)
    model, arch = Chain(), ArchConfig(clusters=1, lanes=2, tokens=2)
    batches = [torch.randn(8, 48) for _ in range(2)]
    training = RecoveryOptions(steps=20, score=Score.ACTIVATION, distillation=1.0, learning_rate=1e-2)
    recipe = replace(default_recipe(arch, 2), recovery=RecoveryMethod.FINE_TUNE, training=training)
    sparse = sparsify(copy.deepcopy(model), InputBatches(batches), 1024, recipe)
    inputs = sparse.inputs()
    narrow = ArchConfig(clusters=1, lanes=2, tokens=2, psum_width=19)

    packed = compile_pruned(model, sparse.state(inputs), arch=narrow)
    with pytest.raises(ConfigError, match=r"has no matrix .*, which its architecture could not hold"):
        PrunedState.unpacked(packed, model)

    assert packed.left_out and packed.layers
    # PyTorch's integers in the layers that are packed, and the others as training left them.
    targets = {name: its for name, its in sparse.targets.items() if name in packed.layers}
    integers = {
        layer.name: layer for layer in sparse.quantized(narrow, {name: inputs[name] for name in targets})
    }
    wanted = int8_model(sparse.model, integers, {name: inputs[name].scale for name in targets}, targets)
    with torch.no_grad():
        assert torch.equal(packed.integer_model(model)(batches[0]), wanted(batches[0]))


def test_other_quantizers_are_calibrated_on_all_that_is_given(gpt2: nn.Module, pruned: SparseModel) -> None:
    state, options = pruned.state(pruned.inputs()), InputOptions(per_token=False)
    task = InputBatches(token_inputs(40))

    compile_pruned(gpt2, state, task, inputs=options)

    assert task._drawn == 40


def test_calibration_needs_inputs(gpt2: nn.Module) -> None:
    with pytest.raises(ConfigError, match="needs at least one batch of the model's inputs, not none"):
        compile_model(gpt2, ARCH, 0.5, [])
