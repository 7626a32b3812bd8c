"""Training while pruning: masks hold, counts are met, runs repeat and resume, distillation teaches."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from sw.fake_quantize import fake_quantize_rows
from sw.mask_search import Allocation, MaskSearch, Placement
from sw.masked_weight import MaskedModel
from sw.pattern import Method, Pattern
from sw.ramp import Ramp
from sw.recovery import Recovery
from sw.recovery_options import RecoveryOptions, Trained
from sw.rounding import Rounding
from sw.scores import Score
from sw.sparse_model import matrix_shapes
from sw.targets import find_targets
from tests.tiny_language import tiny_model, tiny_task

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
OPTIONS = RecoveryOptions(steps=40, size=8, learning_rate=1e-2, warm_up=4, observed=4, interval=4)


def make_run(
    model: Any, options: RecoveryOptions, density: float = 0.25, bits: float | None = None
) -> Recovery:
    task = tiny_task()
    rounding = Rounding(task, batches=2, size=4) if options.quantized else None
    targets = find_targets(model)
    shapes = matrix_shapes(targets)
    placements = {its.name: Placement.plain(its, Direction.VERTICAL) for its in shapes}
    search = MaskSearch(Pattern(ARCH, metadata_bits=bits), shapes, placements, Allocation.GLOBAL)
    kept = round(density * sum(its.size for its in shapes))
    return Recovery(model, targets, task, search.masks, kept, options, rounding=rounding)


def kept_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: its.weight() for name, its in find_targets(model).items()}


def test_the_ramp_falls_as_a_cube_and_ends_exactly() -> None:
    ramp = Ramp(10, 50, 1000, 200)

    assert [ramp.count(step) for step in (0, 9, 10, 50, 99)] == [1000, 1000, 1000, 200, 200]
    assert ramp.count(30) == 200 + round(800 * 0.5**3)
    counts = [ramp.count(step) for step in range(60)]
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(ConfigError, match="a ramp must end at or after its start 5, not at 4"):
        Ramp(5, 4, 10, 1)


@pytest.mark.parametrize("score", [Score.FISHER, Score.MAGNITUDE, Score.MOVEMENT, Score.SOFT_MOVEMENT])
def test_pruned_weights_are_zero_and_the_count_is_exact(score: Score) -> None:
    model = tiny_model()

    masks = make_run(model, replace(OPTIONS, score=score)).run()

    assert masks is not None
    weights = kept_weights(model)
    total = sum(mask.size for mask in masks.values())
    assert sum(int(mask.sum()) for mask in masks.values()) == round(total * 0.25 / 2) * 2
    for name, mask in masks.items():
        assert not weights[name].numpy()[~mask].any()
        groups = mask.reshape(-1, 2, mask.shape[1])
        assert (groups.all(axis=1) == groups.any(axis=1)).all()
    assert not hasattr(model.transformer.h[0].mlp.c_fc, "parametrizations")


def test_training_recovers_what_a_cut_destroys() -> None:
    task, model = tiny_task(), tiny_model()
    Recovery(model, find_targets(model), task, None, 0, replace(OPTIONS, steps=300, distillation=0.0)).run()
    dense = task.measure(model)["loss"]
    cut = copy.deepcopy(model)
    make_run(cut, replace(OPTIONS, steps=1, ramp=0.0, learning_rate=1e-9, score=Score.MAGNITUDE)).run()

    make_run(model, replace(OPTIONS, steps=150)).run()

    damage = task.measure(cut)["loss"] - dense
    assert damage > 0.1
    assert task.measure(model)["loss"] - dense < 0.6 * damage


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = tiny_model(), tiny_model(), tiny_model()

    for model, seed in ((first, 3), (second, 3), (other, 4)):
        make_run(model, replace(OPTIONS, seed=seed)).run()

    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("score", "quantized", "dropout", "stop"),
    [(Score.FISHER, 0.5, True, 33), (Score.FISHER, 0.0, False, 13), (Score.SOFT_MOVEMENT, 0.0, False, 25)],
)
def test_an_interrupted_run_resumes_to_the_same_weights(
    tmp_path: Path, score: Score, quantized: float, dropout: bool, stop: int
) -> None:
    options = replace(OPTIONS, score=score, quantized=quantized, dropout=dropout)
    whole, cut = tiny_model(resid_pdrop=0.2), tiny_model(resid_pdrop=0.2)
    make_run(whole, options, bits=2.0).run()
    place = tmp_path / "run.pt"

    class StopError(Exception):
        pass

    def interrupt(steps: int) -> None:
        if run.step == stop:
            raise StopError

    run = make_run(cut, options, bits=2.0)
    with pytest.raises(StopError):
        run.run(checkpoint=place, every=10, progress=interrupt)
    resumed = tiny_model(resid_pdrop=0.2)
    make_run(resumed, options, bits=2.0).run(checkpoint=place, every=10)

    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert not place.exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "run.pt"
    place.write_bytes(b"nonsense")
    with pytest.raises(FormatError, match="is not a readable checkpoint"):
        make_run(tiny_model(), OPTIONS).run(checkpoint=place)
    place.unlink()

    def stop(steps: int) -> None:
        if run.step == 15:
            raise KeyboardInterrupt

    run = make_run(tiny_model(), OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        run.run(checkpoint=place, every=10, progress=stop)
    with pytest.raises(FormatError, match="belongs to a run with other options"):
        make_run(tiny_model(), replace(OPTIONS, seed=9)).run(checkpoint=place)


def test_the_teacher_is_followed() -> None:
    task, teacher = tiny_task(), tiny_model(1)
    Recovery(teacher, find_targets(teacher), task, None, 0, replace(OPTIONS, steps=150)).run()
    student = tiny_model(2)
    batch = task.batch(32, torch.Generator().manual_seed(9), torch.device("cpu"))
    with torch.no_grad():
        wanted = task.outputs(teacher, batch)
        before = float(task.distance(task.outputs(student, batch), wanted, batch))
    options = replace(OPTIONS, steps=100, distillation=1.0)

    targets = find_targets(student)
    Recovery(student, targets, task, None, 0, options, teacher=teacher).run()

    with torch.no_grad():
        after = float(task.distance(task.outputs(student, batch), wanted, batch))
    assert after < 0.5 * before


def test_a_mask_multiplies_and_hides_the_gradient_of_pruned_weights() -> None:
    model = tiny_model()
    targets = {"layer0.ff_up": find_targets(model)["layer0.ff_up"]}
    mask = torch.rand(128, 32, generator=torch.Generator().manual_seed(0)) < 0.5
    dense = targets["layer0.ff_up"].weight()
    x = torch.randn(5, 32)

    for straight in (False, True):
        inner = copy.deepcopy(model)
        its = {"layer0.ff_up": find_targets(inner)["layer0.ff_up"]}
        module: Any = its["layer0.ff_up"].modules[0]
        with MaskedModel(inner, its, straight_through=straight) as masked:
            masked.set_masks({"layer0.ff_up": mask})
            outputs = module(x)
            assert torch.allclose(outputs, x @ (dense * mask).T + module.bias, atol=1e-6)
            outputs.sum().backward()
            gradient = masked.gradients("layer0.ff_up")
            expected = x.sum(dim=0).expand(128, 32)
            assert torch.allclose(gradient, expected if straight else expected * mask, atol=1e-5)
        assert torch.equal(its["layer0.ff_up"].weight(), dense * mask)


def test_rounding_trains_on_the_integers_and_leaves_plain_weights() -> None:
    task, model = tiny_task(), tiny_model()
    targets = find_targets(model)
    rounding = Rounding(task, batches=2, size=4, weight_width=4)
    dense = targets["layer0.qkv"].weight()

    with MaskedModel(model, targets) as masked, rounding(masked):
        rounded = targets["layer0.qkv"].weight()

    assert torch.equal(rounded, fake_quantize_rows(dense, 4))
    assert torch.equal(targets["layer0.qkv"].weight(), dense)
    assert set(rounding.inputs) == set(targets)
    assert not model.transformer.h[0].attn.c_attn._forward_pre_hooks


def test_matrices_are_multiplied_in_bfloat16_until_numbers_are_rounded() -> None:
    model = tiny_model()
    model.config._attn_implementation = "sdpa"
    seen: list[tuple[torch.dtype, str]] = []
    model.transformer.h[1].mlp.c_fc.register_forward_hook(
        lambda module, inputs, output: seen.append((output.dtype, model.config._attn_implementation))
    )
    run = make_run(model, replace(OPTIONS, bfloat16=True, quantized=0.25))

    run.run()

    # The teacher is a copy, hook and all. After 30 of 40 steps scales are calibrated, then numbers rounded.
    steps = 2 * 30
    assert set(seen[:steps]) == {(torch.bfloat16, "eager")}
    assert len(seen) > steps and set(seen[steps:]) == {(torch.float32, "eager")}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.config._attn_implementation == "sdpa"
    reference = tiny_model()
    make_run(reference, replace(OPTIONS, quantized=0.25)).run()
    assert not torch.equal(model.transformer.h[0].mlp.c_fc.weight, reference.transformer.h[0].mlp.c_fc.weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1, not 0"),
        ({"ramp": 1.5}, "`ramp` must be from 0 to 1, not 1.5"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive, not 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(OPTIONS, **options)  # type: ignore[arg-type]


def test_a_score_that_needs_calibration_says_so() -> None:
    with pytest.raises(ConfigError, match="score activation needs calibration statistics"):
        make_run(tiny_model(), replace(OPTIONS, score=Score.ACTIVATION))


def test_n_m_masks_can_be_trained_towards() -> None:
    model = tiny_model()
    targets = find_targets(model)
    shapes = matrix_shapes(targets)
    placements = {its.name: Placement.plain(its, Direction.HORIZONTAL) for its in shapes}
    search = MaskSearch(Pattern(ARCH, Method.N_M, n_m=(1, 4)), shapes, placements)

    masks = Recovery(
        model, targets, tiny_task(), search.masks, sum(its.size for its in shapes) // 4, OPTIONS
    ).run()

    assert masks is not None
    assert all((mask.reshape(len(mask), -1, 4).sum(axis=2) == 1).all() for mask in masks.values())
    assert np.isfinite(tiny_task().measure(model)["perplexity"])


@pytest.mark.parametrize("dropout", [False, True])
def test_noise_comes_from_the_seed_and_the_step(dropout: bool) -> None:
    models = [tiny_model(resid_pdrop=0.3) for _ in range(3)]

    for place, model in enumerate(models):
        torch.manual_seed(place)
        make_run(model, replace(OPTIONS, dropout=dropout and place < 2)).run()

    first, second, without = (torch.cat([one.flatten() for one in model.parameters()]) for model in models)
    assert torch.equal(first, second)
    assert torch.equal(second, without) is not dropout
    assert not models[0].training


@pytest.mark.parametrize("trained", Trained)
def test_what_is_not_trained_stays_and_every_parameter_keeps_its_flag(trained: Trained) -> None:
    model = tiny_model()
    # What could not be trained before cannot be afterwards.
    model.transformer.wpe.weight.requires_grad_(False)
    before = copy.deepcopy(model)
    options = replace(OPTIONS, steps=3, trained=trained)

    Recovery(model, find_targets(model), tiny_task(), None, 0, options).run()

    # Weights come after biases now, so by name.
    after = dict(model.named_parameters())
    equal = {name: torch.equal(after[name], old) for name, old in before.named_parameters()}
    held = {
        Trained.ALL: {"transformer.wpe.weight"},
        Trained.NO_TABLES: {"transformer.wpe.weight", "transformer.wte.weight"},
        Trained.MATRICES: {name for name in equal if ".c_" not in name or "bias" in name},
    }
    assert {name for name, same in equal.items() if same} == held[trained]
    assert all(after[name].requires_grad == old.requires_grad for name, old in before.named_parameters())


def test_a_refused_score_leaves_the_model_plain() -> None:
    model = tiny_model()

    with pytest.raises(ConfigError, match="needs calibration statistics"):
        make_run(model, replace(OPTIONS, score=Score.SECOND_ORDER))

    assert not hasattr(model.transformer.h[0].mlp.c_fc, "parametrizations")
