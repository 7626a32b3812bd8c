"""Statistics of calibration data, against forward passes and gradients written out by hand."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from spec.errors import ConfigError
from sw.statistics import LayerStatistics, collect_statistics, damped
from sw.targets import Target, find_targets
from tests.tiny_models import StackedModel, TokenTask, tiny_gpt2

CPU = torch.device("cpu")


def collect(
    model: nn.Module, targets: dict[str, Target], task: TokenTask, **options: Any
) -> dict[str, LayerStatistics]:
    wanted = {"batches": 3, "size": 2, "gradients": False} | options
    return collect_statistics(
        model, targets, task, generator=torch.Generator().manual_seed(5), device=CPU, **wanted
    )


def stacked_model() -> StackedModel:
    torch.manual_seed(2)
    return StackedModel().eval()


def second_moment(inputs: torch.Tensor) -> torch.Tensor:
    """Mean of the outer products, one by one."""
    rows = inputs.reshape(-1, inputs.shape[-1]).double()
    return torch.stack([torch.outer(row, row) for row in rows]).mean(dim=0)


def test_the_hessian_of_gpt2_is_the_mean_outer_product_of_its_inputs() -> None:
    model, task = tiny_gpt2(), TokenTask()

    found = collect(model, find_targets(model), task)

    body: Any = model.transformer
    with torch.no_grad():
        tokens = torch.cat(task.batches)
        first = body.wte(tokens) + body.wpe(torch.arange(12))
        attended = first + body.h[0].attn(body.h[0].ln_1(first))[0]
        normed = body.h[0].ln_2(attended)
        inner = body.h[0].mlp.act(body.h[0].mlp.c_fc(normed))
    expected = {
        "layer0.qkv": second_moment(body.h[0].ln_1(first).detach()),
        "layer0.ff_up": second_moment(normed),
        "layer0.ff_down": second_moment(inner),
    }
    for name, hessian in expected.items():
        assert found[name].tokens == 3 * 2 * 12
        torch.testing.assert_close(found[name].known_hessian().double(), hessian, rtol=1e-4, atol=1e-5)


def test_stacked_modules_share_one_hessian_and_every_call_counts() -> None:
    model, task = stacked_model(), TokenTask()

    found = collect(model, model.targets(), task)

    with torch.no_grad():
        tokens = torch.cat(task.batches)
        joined = model.joined(tokens)
        calls = torch.cat([joined, torch.tanh(model.twice(joined))])
    assert {name: layer.tokens for name, layer in found.items()} == {"stack": 72, "twice": 144}
    expected = second_moment(model.embedding(tokens).detach())
    torch.testing.assert_close(found["stack"].known_hessian().double(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        found["twice"].known_hessian().double(), second_moment(calls), rtol=1e-4, atol=1e-6
    )


def backward_squares(model: nn.Module, task: TokenTask, batches: list[torch.Tensor]) -> dict[str, Any]:
    """Mean squared gradient of every parameter by name, over batches, from plain backward passes."""
    copied = copy.deepcopy(model).requires_grad_(True)
    squares: dict[str, Any] = {}
    for batch in batches:
        copied.zero_grad()
        torch.autograd.backward(task.loss(task.outputs(copied, batch), batch))
        for name, parameter in copied.named_parameters():
            if parameter.grad is not None:
                squares[name] = squares.get(name, 0) + parameter.grad**2 / len(batches)
    return squares


def test_squared_gradients_of_conv1d_are_those_of_backward_transposed() -> None:
    model, task = tiny_gpt2(), TokenTask()

    found = collect(model, find_targets(model), task, gradients=True)

    squares = backward_squares(model, task, task.batches)
    for layer in range(2):
        for name, path in (("qkv", "attn.c_attn"), ("ff_down", "mlp.c_proj")):
            expected = squares[f"transformer.h.{layer}.{path}.weight"].T
            assert expected.max() > 1e-9
            torch.testing.assert_close(found[f"layer{layer}.{name}"].gradient_square, expected)


def test_squared_gradients_of_stacked_linears_are_stacked() -> None:
    model, task = stacked_model(), TokenTask()

    found = collect(model, model.targets(), task, gradients=True, hessian=False)

    squares = backward_squares(model, task, task.batches)
    parts = [squares[f"{part}.weight"] for part in ("query", "key", "value")]
    torch.testing.assert_close(found["stack"].gradient_square, torch.cat(parts))
    torch.testing.assert_close(found["twice"].gradient_square, squares["twice.weight"])
    assert found["stack"].hessian is None


class Masked(nn.Module):
    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.mask


@pytest.mark.parametrize("frozen", [False, True])
def test_pruned_weights_of_a_parametrized_module_have_a_gradient(frozen: bool) -> None:
    model, task = stacked_model(), TokenTask()
    masks = {
        part: torch.rand(part.weight.shape, generator=torch.Generator().manual_seed(3)) < 0.5
        for part in (model.query, model.twice)
    }
    plain = copy.deepcopy(model)
    with torch.no_grad():
        plain.query.weight.mul_(masks[model.query])
        plain.twice.weight.mul_(masks[model.twice])
    for part, mask in masks.items():
        parametrize.register_parametrization(part, "weight", Masked(mask))
    model.requires_grad_(not frozen)

    found = collect(model, model.targets(), task, gradients=True)

    squares = backward_squares(plain, task, task.batches)
    assert squares["twice.weight"][~masks[model.twice]].min() > 0
    torch.testing.assert_close(found["twice"].gradient_square, squares["twice.weight"])
    stack = found["stack"].gradient_square
    assert stack is not None
    torch.testing.assert_close(stack[:4], squares["query.weight"])


@pytest.mark.parametrize("gradients", [False, True])
def test_the_model_is_left_as_found(gradients: bool) -> None:
    model, task = stacked_model(), TokenTask()
    model.train()
    model.head.eval()
    model.key.weight.requires_grad_(False)
    model.query.weight.grad = torch.ones_like(model.query.weight)
    state = copy.deepcopy(model.state_dict())

    collect(model, model.targets(), task, gradients=gradients)

    assert model.training and model.dropout.training and not model.head.training
    assert not model.key.weight.requires_grad and model.value.weight.requires_grad
    assert torch.equal(model.query.weight.grad, torch.ones_like(model.query.weight))
    assert model.value.weight.grad is None and model.key.weight.grad is None
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_targets_come_in_the_order_of_their_first_calls() -> None:
    model = stacked_model()
    targets = model.targets() | {"unused": Target("unused", (model.unused,), False)}

    found = collect(model, targets, TokenTask(), hessian=False)

    assert list(found) == ["stack", "twice", "unused"]
    assert found["unused"].tokens == 0


def test_what_comes_after_the_last_target_runs_only_in_the_first_batch() -> None:
    model = stacked_model()
    calls = []
    model.head.register_forward_hook(lambda *_: calls.append(1))

    collect(model, model.targets(), TokenTask(), batches=4)

    assert len(calls) == 1


def test_a_weight_without_part_in_the_loss_has_no_gradient() -> None:
    model = stacked_model()

    found = collect(
        model,
        {"unused": Target("unused", (model.unused,), False)},
        TokenTask(),
        gradients=True,
        hessian=False,
    )

    torch.testing.assert_close(found["unused"].gradient_square, torch.zeros(3, 3))


def test_bad_requests_name_the_way_out() -> None:
    model = stacked_model()
    with pytest.raises(ConfigError, match="matrix unused is never called in calibration; leave it out"):
        collect(model, {"unused": Target("unused", (model.unused,), False)}, TokenTask())
    with pytest.raises(ConfigError, match="`batches` must be at least 1, not 0"):
        collect(model, model.targets(), TokenTask(), batches=0)
    with pytest.raises(ConfigError, match="hold no Hessian; collect them with `hessian=True`"):
        LayerStatistics(tokens=3).input_norm()
    with pytest.raises(ConfigError, match="`damping` must be above 0, not 0"):
        damped(torch.eye(3), 0)


def test_damping_adds_its_share_of_the_mean_diagonal() -> None:
    hessian = torch.tensor([[1.0, 2.0], [2.0, 7.0]])

    assert torch.equal(damped(hessian, 0.5), torch.tensor([[3.0, 2.0], [2.0, 9.0]]))
    assert torch.equal(damped(torch.zeros(2, 2), 0.5), torch.eye(2) / 2)
    assert torch.equal(hessian, torch.tensor([[1.0, 2.0], [2.0, 7.0]]))
