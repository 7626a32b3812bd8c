"""The int8 model in PyTorch and out of the packed stream: the same logits, bit for bit."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.packet import ErrorCode, Header, Opcode, frame_answer
from sw.blocks import Blocking
from sw.fake_quantize import fake_quantize_rows
from sw.input_quantizer import InputQuantizer
from sw.int8 import Int8Linear, PackedProduct, Product, int8_model
from sw.layer import QuantizedLayer, grouped_index
from sw.pack import pack
from sw.quantize import quantize_rows
from sw.reference import execute
from sw.targets import Target, find_targets
from sw.unpack import PackedFile, unpack
from tests.sampled_task import Samples, calibrate

ARCH = ArchConfig.load("tiny")


def gpt2() -> nn.Module:
    config = GPT2Config(vocab_size=33, n_positions=16, n_embd=32, n_layer=2, n_head=2, use_cache=False)
    return seeded(lambda: GPT2LMHeadModel(config))


def bert() -> nn.Module:
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    return seeded(lambda: BertModel(config))


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """A model with weights large enough that every layer matters to the logits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build().eval()
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter, std=0.1)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.2)
    return model


TOKENS = Samples(lambda generator, _: torch.randint(33, (4, 12), generator=generator))
BATCH = TOKENS.batch(4, torch.Generator().manual_seed(9), torch.device("cpu"))


def prune(target: Target, direction: Direction, rng: np.random.Generator) -> QuantizedLayer:
    """Keep 40 % of the groups at random, in a random order, and write what is kept into the model."""
    shape = (target.rows, target.cols)
    blocking = Blocking(*shape, direction, ARCH)
    order = rng.permutation(blocking.permuted)
    kept = np.repeat(rng.random(blocking.shape[:3])[..., None] < 0.4, ARCH.lanes, axis=-1)
    mask = np.empty(shape, np.bool_)
    mask[grouped_index(direction, order)] = blocking.join(kept)
    weight = target.weight().numpy() * mask
    target.assign(torch.from_numpy(weight))
    weights, scales = quantize_rows(weight, ARCH.weight_width)
    return QuantizedLayer(target.name, weights, mask, direction, order, scales)


class Pruned:
    """A pruned float model and all that makes an integer one of it."""

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        rng = np.random.default_rng(1)
        self.model = build()
        self.targets = find_targets(self.model)
        directions = [Direction.VERTICAL, Direction.HORIZONTAL]
        self.layers = {
            name: prune(target, directions[n % 2], rng)
            for n, (name, target) in enumerate(self.targets.items())
        }
        inputs = calibrate(self.model, self.targets, TOKENS)
        self.scales = {name: its.scale for name, its in inputs.items()}
        self.file: PackedFile = unpack(pack(list(self.layers.values()), ARCH))

    def int8(self, products: dict[str, Product] | None = None) -> nn.Module:
        layers = {layer.name: layer for layer in self.file.layers}
        return int8_model(self.model, layers, self.scales, self.targets, products=products)


@pytest.fixture(scope="module", params=[gpt2, bert], ids=["gpt2", "bert"])
def pruned(request: pytest.FixtureRequest) -> Pruned:
    return Pruned(request.param)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return TOKENS.outputs(model, BATCH)


def test_the_packed_stream_gives_the_logits_of_pytorch_bit_for_bit(pruned: Pruned) -> None:
    calls: list[str] = []

    def accelerator(stream: bytes, arch: ArchConfig) -> bytes:
        calls.append("run")
        return execute(stream, arch)

    products: dict[str, Product] = {
        layer.name: PackedProduct(layer, pruned.file.arch, accelerator) for layer in pruned.file.layers
    }

    packed = logits(pruned.int8(products))

    assert torch.equal(packed, logits(pruned.int8()))
    before_packing = int8_model(pruned.model, pruned.layers, pruned.scales, pruned.targets)
    assert torch.equal(packed, logits(before_packing))
    # Queries, keys and values share one run.
    assert len(calls) == len(pruned.targets) == 8


def test_every_module_gives_what_plain_integers_give(pruned: Pruned) -> None:
    model = pruned.int8()
    seen: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    for name, module in model.named_modules():
        if isinstance(module, Int8Linear):
            module.register_forward_hook(
                lambda _, inputs, output, name=name: seen.append((name, inputs[0], output))
            )
    logits(model)

    places = {id(module): name for name, module in pruned.model.named_modules()}
    expected = {}
    for target in pruned.targets.values():
        start = 0
        for module in target.modules:
            size = module.weight.shape[1 if target.transposed else 0]  # type: ignore[index]
            expected[places[id(module)]] = (target.name, slice(start, start + int(size)), module.bias)
            start += int(size)
    assert {name for name, _, _ in seen} == set(expected) and len(seen) == len(expected)
    for name, inputs, output in seen:
        target_name, rows, bias = expected[name]
        layer, scale = pruned.layers[target_name], np.float32(pruned.scales[target_name])
        x = inputs.numpy().reshape(-1, layer.cols)
        integers = np.clip(np.rint(x / scale), -127, 127).astype(np.int64)
        psums = integers @ layer.weights[rows].T.astype(np.int64)
        floats = psums.astype(np.float32) * (layer.scales[rows] * scale)
        floats += bias.detach().numpy()  # type: ignore[operator]
        assert output.shape == (*inputs.shape[:-1], len(bias))  # type: ignore[arg-type]
        assert np.array_equal(output.numpy().reshape(floats.shape), floats)


def test_the_int8_model_is_near_the_pruned_float_model(pruned: Pruned) -> None:
    dense = logits(pruned.model)

    error = (logits(pruned.int8()) - dense).norm() / dense.norm()

    # 8 bits in and 8 bits of weights: half a step of a 127th each, through eight matrices.
    assert 0 < error < 0.03


def test_the_original_model_is_left_as_it_was(pruned: Pruned) -> None:
    before = {name: value.clone() for name, value in pruned.model.state_dict().items()}
    types = [type(module) for module in pruned.model.modules()]

    model = pruned.int8()
    for value in model.state_dict().values():
        value.zero_()

    after = pruned.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert types == [type(module) for module in pruned.model.modules()]
    assert not any(isinstance(module, Int8Linear) for module in pruned.model.modules())


def test_integers_times_scales_are_the_fake_quantized_weights(pruned: Pruned) -> None:
    for layer in pruned.file.layers:
        dequantized = torch.from_numpy(layer.weights * layer.scales[:, None])
        weight = pruned.targets[layer.name].weight()
        assert torch.equal(dequantized, fake_quantize_rows(weight, ARCH.weight_width))


@pytest.mark.parametrize("shape", [(1, 1), (3, 1500)])
@pytest.mark.parametrize("lead", [(7,), (2, 5), (1, 2, 3)])
def test_psums_beyond_float32_are_exact(shape: tuple[int, int], lead: tuple[int, ...]) -> None:
    """127 x 127 x 1500 exceeds 2^24, where float32 skips the odd integers."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randint(120, 128, shape, generator=generator).to(torch.int8)
    x = torch.randint(120, 128, (*lead, shape[1]), generator=generator).to(torch.float32)
    linear = Int8Linear(weight, torch.ones(shape[0]), InputQuantizer(1.0))
    seen: list[torch.Tensor] = []

    def product(activations: torch.Tensor) -> torch.Tensor:
        seen.append(weight.to(torch.int64) @ activations.to(torch.int64))
        return seen[-1]

    outputs = Int8Linear(weight, torch.ones(shape[0]), InputQuantizer(1.0), product=product)(x)

    psums = x.reshape(-1, shape[1]).to(torch.int64) @ weight.T.to(torch.int64)
    assert shape[1] == 1 or int(psums.max()) > 1 << 24
    assert torch.equal(seen[0], psums.T)
    assert torch.equal(outputs, psums.to(torch.float32).reshape(*lead, -1))
    assert outputs.is_contiguous() and torch.equal(linear(x), outputs)


def test_autocast_does_not_touch_psums() -> None:
    generator = torch.Generator().manual_seed(4)
    weight = torch.randint(-127, 128, (5, 64), generator=generator).to(torch.int8)
    activations = torch.randint(-127, 128, (64, 6), generator=generator).to(torch.int8)

    with torch.autocast("cpu", torch.bfloat16):
        outputs = Int8Linear(weight, torch.ones(5), InputQuantizer(1.0))(activations.T.to(torch.float32))

    assert torch.equal(outputs.T, (weight.to(torch.int64) @ activations.to(torch.int64)).to(torch.float32))


def test_narrow_activations_clip_and_outputs_keep_the_type_of_the_inputs() -> None:
    inputs = InputQuantizer(0.5, width=4)
    linear = Int8Linear(torch.ones(1, 1, dtype=torch.int8), torch.ones(1), inputs, torch.ones(1))

    outputs = linear(torch.tensor([[100.0], [-100], [0.74], [0.76]]))

    assert outputs.flatten().tolist() == [4.5, -2.5, 1.5, 2]
    assert linear(torch.ones(1, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_a_model_that_is_one_linear_layer_becomes_one() -> None:
    model = nn.Linear(2, 1, bias=False).eval()
    targets = find_targets(model)
    weights = np.array([[3, -1]], np.int8)
    layer = QuantizedLayer(
        "", weights, weights != 0, Direction.VERTICAL, np.arange(1), np.array([0.5], np.float32)
    )

    int8 = int8_model(model, {"": layer}, {"": 2.0}, targets, width=3)

    assert int8(torch.tensor([40.0, 2.0])).tolist() == [(3 * 3 - 1) * 0.5 * 2]
    assert not int8.training


def test_a_packed_product_follows_its_activations(pruned: Pruned) -> None:
    layer, rng = pruned.file.layers[0], np.random.default_rng(6)
    product = PackedProduct(layer, ARCH)

    for tokens in (3, 3, 2):
        activations = rng.integers(-127, 128, (layer.cols, tokens), dtype=np.int8)
        psums = layer.weights.astype(np.int64) @ activations.astype(np.int64)
        assert np.array_equal(product(torch.from_numpy(activations)).numpy(), psums)


def test_an_error_of_the_accelerator_is_raised(pruned: Pruned) -> None:
    layer = pruned.file.layers[0]
    refusal = frame_answer(Header(Opcode.ERROR, 0, Opcode.VALUES, ErrorCode.BAD_CRC), b"", 8)
    product = PackedProduct(layer, ARCH, lambda stream, arch: refusal)

    with pytest.raises(FormatError, match=f"layer {layer.name}: the accelerator refused the stream: BAD_CRC"):
        product(torch.zeros(layer.cols, 1, dtype=torch.int8))


def test_layers_scales_and_targets_must_belong_together(pruned: Pruned) -> None:
    model, layers, scales, targets = pruned.model, pruned.layers, pruned.scales, pruned.targets
    name = "layer0.qkv"
    without = {key: value for key, value in targets.items() if key != name}
    swapped = {**layers, name: layers["layer0.ff_up"]}

    for arguments, message in (
        ((model, layers, scales, without), f"layers must be those of the targets, but {name} is none"),
        ((model, {}, scales, targets), "layers must cover every target, but layer0.attention_output is"),
        ((model, layers, {}, targets), "scales must cover every target, but layer0.attention_output is"),
        ((model, swapped, scales, targets), f"layer {name} must be 96 x 32, not "),
        ((nn.Identity(), layers, scales, targets), f"target {name} must be one of the model"),
        (
            (model, layers, {**scales, name: 0.0}, targets),
            f"{name}: the scale of an input must be a positive float32",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            int8_model(*arguments)
    with pytest.raises(ConfigError, match="products must be those of the targets, but x is none"):
        int8_model(model, layers, scales, targets, products={"x": lambda activations: activations})
