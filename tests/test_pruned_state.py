"""Pruned models in files: another run goes on from them, masks and all, and refuses those of others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from sw.input_quantizer import InputOptions
from sw.mask_search import Allocation
from sw.pattern import Method, Pattern
from sw.prune_model import PruneOptions
from sw.pruned_state import PrunedState
from sw.pruning import Pruning
from sw.recovery_options import RecoveryOptions
from sw.rest import rest_fingerprint
from sw.scores import Score
from sw.sparse_model import Recipe, RecoveryMethod, SparseModel, sparsify
from tests.tiny_language import tiny_model, tiny_task

ARCH = ArchConfig(clusters=1, lanes=2, tokens=2, segment=8)
KEPT = 6144
TRAINING = RecoveryOptions(steps=40, size=8, learning_rate=1e-2, warm_up=4, observed=4, interval=4)
RECIPE = Recipe(
    PruneOptions(Pattern(ARCH, metadata_bits=2.0), allocation=Allocation.GLOBAL),
    RecoveryMethod.FINE_TUNE,
    TRAINING,
    batches=4,
    inputs=InputOptions(per_token=True, smoothing=0.6),
)


@pytest.fixture(scope="module")
def first() -> SparseModel:
    return sparsify(tiny_model(), tiny_task(), KEPT, RECIPE)


def go_on(first: SparseModel, recipe: Recipe, start: PrunedState | None = None) -> SparseModel:
    return sparsify(tiny_model(), tiny_task(), KEPT, recipe, start=start or first.state(first.inputs()))


def test_a_file_holds_the_whole_pruned_model(first: SparseModel, tmp_path: Path) -> None:
    first.state(first.inputs()).save(tmp_path / "kept.pt")

    start = PrunedState.load(tmp_path / "kept.pt")
    # Orders and directions do not come from calibration anew: another seed would give others.
    other = replace(RECIPE, recovery=RecoveryMethod.NONE, training=replace(TRAINING, seed=5))
    again = go_on(first, other, start)

    assert [path.name for path in tmp_path.iterdir()] == ["kept.pt"]
    assert start.pruning == Pruning(first.pattern, KEPT, first.rounding.options, first.origin)
    for name, quantizer in first.inputs().items():
        read = start.inputs[name]
        assert (read.scale, read.width) == (quantizer.scale, quantizer.width) and read.scale is None
        assert read.smoothing is not None and quantizer.smoothing is not None
        assert np.array_equal(read.smoothing, quantizer.smoothing)
    assert any(its.smoothing is not None and its.smoothing.any() for its in start.inputs.values())
    wanted, found = first.model.state_dict(), again.model.state_dict()
    assert set(wanted) == set(found)
    assert all(torch.equal(found[name], its) for name, its in wanted.items())
    for name, its in first.pruned.items():
        held = again.pruned[name]
        assert np.array_equal(held.mask, its.mask) and np.array_equal(held.order, its.order)
        assert (held.direction, held.record_bits) == (its.direction, its.record_bits)


def test_more_training_keeps_the_masks_and_learns_more(first: SparseModel) -> None:
    # Another array of the same lanes: masks are none of its business.
    array = ARCH.model_copy(update={"clusters": 2, "tokens": 4, "value_depth": 512})
    prune = replace(RECIPE.prune, pattern=replace(RECIPE.prune.pattern, arch=array))
    more = replace(RECIPE, prune=prune, training=replace(TRAINING, steps=200, quantized=0.25, seed=1))

    further = go_on(first, more)

    for name, its in first.pruned.items():
        assert np.array_equal(further.pruned[name].mask, its.mask)
        assert not further.targets[name].weight().numpy()[~its.mask].any()
    task = tiny_task()
    assert task.measure(further.model)["loss"] < 0.95 * task.measure(first.model)["loss"]
    assert further.rounding.inputs and not first.rounding.inputs
    assert further.provenance["steps"] == 240 and further.provenance["seed"] == 1
    assert further.pattern.arch == array
    judged = go_on(further, replace(RECIPE, recovery=RecoveryMethod.NONE))
    assert (judged.provenance["steps"], judged.provenance["recovery"]) == (240, "fine-tune")


def test_the_dense_model_stays_the_teacher(first: SparseModel) -> None:
    # All weight on distillation: a teacher that is the student itself would leave it as it is.
    options = replace(TRAINING, distillation=1.0, learning_rate=1e-3, weight_decay=0.0)

    further = go_on(first, replace(RECIPE, training=options))

    task, dense = tiny_task(), tiny_model()
    batch = task.batch(32, torch.Generator().manual_seed(3), torch.device("cpu"))
    with torch.no_grad():
        wanted, before, after = (task.outputs(one, batch) for one in (dense, first.model, further.model))
    assert task.distance(after, wanted, batch) < 0.9 * task.distance(before, wanted, batch)


def test_other_masks_are_searched_in_the_pruned_weights(first: SparseModel) -> None:
    single = replace(RECIPE.prune, pattern=Pattern(ARCH, Method.FINE_GRAINED))
    cut = Recipe(single, RecoveryMethod.NONE, replace(TRAINING, score=Score.MAGNITUDE), batches=1)

    fewer = sparsify(tiny_model(), tiny_task(), 5000, cut, start=first.state(first.inputs()))

    weights = {name: its.weight().numpy() for name, its in first.targets.items()}
    magnitudes = np.sort(np.concatenate([np.abs(its).ravel() for its in weights.values()]))
    for name, its in weights.items():
        strong = np.abs(its) >= magnitudes[-5000]
        assert np.array_equal(fewer.pruned[name].mask, strong)
        assert np.array_equal(fewer.targets[name].weight().numpy(), np.where(strong, its, 0))
    changed = {name for name, its in tiny_model().state_dict().items() if its.ndim == 1}
    held, found = first.model.state_dict(), fewer.model.state_dict()
    assert changed and all(torch.equal(held[name], found[name]) for name in changed)


def test_training_brings_back_what_was_pruned_before(first: SparseModel) -> None:
    pairs = replace(RECIPE.prune, pattern=Pattern(ARCH, Method.VECTOR))
    more = replace(RECIPE, prune=pairs, training=replace(TRAINING, steps=200, ramp=0.5, seed=1))

    denser = sparsify(tiny_model(), tiny_task(), 9000, more, start=first.state(first.inputs()))

    assert sum(its.kept for its in denser.pruned.values()) == 9000
    alive = sum(np.count_nonzero(its.weight().numpy()) for its in denser.targets.values())
    assert alive > KEPT
    task = tiny_task()
    assert task.measure(denser.model)["loss"] < task.measure(first.model)["loss"]
    assert denser.provenance["steps"] == 240 and denser.provenance["method"] == "vector"


def test_what_belongs_to_another_model_is_refused(first: SparseModel) -> None:
    start = first.state(first.inputs())
    with pytest.raises(ConfigError, match="has other matrices than this one"):
        sparsify(tiny_model(n_layer=1), tiny_task(), KEPT, RECIPE, start=start)
    with pytest.raises(ConfigError, match="made of a dense model with other weights than this one"):
        sparsify(tiny_model(seed=1), tiny_task(), KEPT, RECIPE, start=start)
    origin = rest_fingerprint(tiny_model(n_positions=64), ())
    strange = replace(start, pruning=replace(start.pruning, origin=origin))
    with pytest.raises(ConfigError, match="has other parameters than this one"):
        sparsify(tiny_model(n_positions=64), tiny_task(), KEPT, RECIPE, start=strange)
    with pytest.raises(ConfigError, match="one-shot recovery begins with a dense model"):
        go_on(first, replace(RECIPE, recovery=RecoveryMethod.BOTH))


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({}, True),
        ({"clusters": 4, "activation_depth": 64, "psum_width": 24}, True),
        ({"lanes": 4}, False),
        ({"segment": 16}, False),
        ({"advance_width": 3}, False),
        ({"weight_width": 4}, False),
    ],
)
def test_which_architectures_share_masks(change: dict[str, int], shared: bool) -> None:
    other = ArchConfig(**{**ARCH.model_dump(), **change})
    for one in (Pattern(ARCH, metadata_bits=1.0), Pattern(ARCH, Method.N_M, n_m=(2, 4))):
        assert one.shares_masks(replace(one, arch=other)) == shared
    assert not Pattern(ARCH, metadata_bits=1.0).shares_masks(Pattern(ARCH, metadata_bits=0.9))
    assert not Pattern(ARCH, Method.VECTOR).shares_masks(Pattern(ARCH, Method.VECTOR, length=4))


@pytest.mark.parametrize("content", [None, b"", b"nonsense", "a checkpoint"])
def test_no_file_of_a_pruned_model_is_one_sentence(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "kept.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save({"model": {}, "masks": None}, path)

    with pytest.raises(FormatError, match=r"kept\.pt is not a readable pruned model; give one that was kept"):
        PrunedState.load(path)


def test_a_file_of_an_older_version_says_so(tmp_path: Path) -> None:
    torch.save({"format": "mixvec pruned model 1"}, tmp_path / "kept.pt")

    with pytest.raises(FormatError, match=r"kept\.pt was kept by an older mixvec; keep the model again"):
        PrunedState.load(tmp_path / "kept.pt")


@pytest.mark.parametrize(
    "edit",
    [
        {"provenance": ["x"]},
        {"provenance": {"steps": torch.zeros(2)}},
        {"kept": "6144"},
        {"origin": 0.5},
        {"options": {"strength": 0.5}},
        {"pattern": {"method": "block"}},
        {"mask": torch.zeros(96, 32)},
        {"inputs": {"scale": None, "smoothing": torch.zeros(5, dtype=torch.int8), "width": 8}},
        {"inputs": {"scale": -1.0, "smoothing": None, "width": 8}},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_damage_inside_a_file_is_one_sentence(
    first: SparseModel, tmp_path: Path, edit: dict[str, object]
) -> None:
    path = tmp_path / "kept.pt"
    first.state(first.inputs()).save(path)
    content = torch.load(path, weights_only=True)
    place = next(iter(content["matrices"].values())) if {"mask", "inputs"} & edit.keys() else content
    place.update(edit)
    torch.save(content, path)

    with pytest.raises(FormatError, match=r"kept\.pt is not a readable pruned model"):
        PrunedState.load(path)
