"""Parameters around the packed layers: found, written, read, worn and taken off."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

import sw.pack
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.rest import changed_rest, decode_rest, encode_rest, rest_fingerprint, wearing
from sw.targets import find_targets
from sw.unpack import unpack
from tests.tiny_models import tiny_gpt2


def test_what_differs_outside_the_targets_is_found_and_nothing_else() -> None:
    before = tiny_gpt2()
    after = copy.deepcopy(before)
    targets = find_targets(after)
    names = dict(after.named_parameters())
    with torch.no_grad():
        for target in targets.values():
            target.assign(target.weight() + 1)
        names["transformer.ln_f.bias"].add_(1)
        names["transformer.h.0.mlp.c_fc.bias"][3] = 7.0
        names["transformer.wte.weight"][0, 0].add_(1)

    found = changed_rest(after, before, targets.values())

    # Embedding and head are one parameter.
    assert set(found) == {
        "transformer.wte.weight",
        "transformer.ln_f.bias",
        "transformer.h.0.mlp.c_fc.bias",
    }
    assert all(np.array_equal(values, names[name].detach().numpy()) for name, values in found.items())
    assert changed_rest(before, before, find_targets(before).values()) == {}
    with torch.no_grad():
        dict(before.named_parameters())["transformer.ln_f.bias"][0] = torch.nan
    # What was no number before is none now: unchanged, if of no use.
    assert changed_rest(before, before, find_targets(before).values()) == {}
    with pytest.raises(
        ConfigError, match=r"parameter transformer\.ln_f\.bias around the layers must be finite"
    ):
        encode_rest(changed_rest(before, after, find_targets(before).values()))


@pytest.mark.parametrize("word_bytes", [4, 8, 16, 128])
def test_numbers_come_back_from_their_bytes(word_bytes: int) -> None:
    rng = np.random.default_rng(word_bytes)
    shapes = {"a": (3, 5), "b": (), "c": (0, 4), "d": (7,)}
    changed = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    said, data = encode_rest(changed)
    padded = data + bytes(-len(data) % word_bytes)
    back = decode_rest(said, padded, word_bytes)

    assert len(data) == 4 * (15 + 1 + 0 + 7) and list(back) == list(shapes)
    assert all(np.array_equal(back[name], values) for name, values in changed.items())
    assert all(values.shape == shapes[name] for name, values in back.items())
    assert decode_rest({}, b"", word_bytes) == {}


@pytest.mark.parametrize(
    ("shapes", "data", "message"),
    [
        (None, b"", "must give the shape of every parameter"),
        ([], b"", "must give the shape of every parameter"),
        ({"a": 3}, bytes(16), "must give the shape of every parameter"),
        ({"a": [-1]}, b"", "must give the shape of every parameter"),
        ({"a": [True]}, bytes(8), "must give the shape of every parameter"),
        ({"a": [1 << 30, 1 << 30]}, bytes(8), "must give the shape of every parameter"),
        ({"a": [0, (1 << 31) - 1, (1 << 31) - 1]}, b"", "must give the shape of every parameter"),
        ({"a": [1] * 65}, bytes(8), "must give the shape of every parameter"),
        ({"a": [2] * 100_000}, bytes(8), "must give the shape of every parameter"),
        ({"a": [3]}, bytes(8), "must take 2 words, not 1"),
        ({"a": [3]}, bytes(24), "must take 2 words, not 3"),
        ({}, bytes(8), "must take 0 words, not 1"),
        ({"a": [1], "b": [1]}, np.array([1, np.nan], "<f4").tobytes(), "of parameter b must be finite"),
        ({"a": [2]}, np.array([1, np.inf], "<f4").tobytes(), "of parameter a must be finite"),
    ],
)
def test_damaged_numbers_are_refused(shapes: Any, data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decode_rest(shapes, data, 8)


def test_a_model_wears_numbers_and_has_its_own_again_whatever_happens() -> None:
    model = tiny_gpt2()
    targets = find_targets(model).values()
    before, print_before = copy.deepcopy(model.state_dict()), rest_fingerprint(model, targets)
    size = model.transformer.ln_f.bias.numel()
    changed = {"transformer.ln_f.bias": np.arange(size, dtype=np.float32)}

    with pytest.raises(RuntimeError, match="stop"), wearing(model, changed):
        worn = model.state_dict()
        assert torch.equal(worn["transformer.ln_f.bias"], torch.arange(size, dtype=torch.float32))
        assert rest_fingerprint(model, targets) != print_before
        raise RuntimeError("stop")

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert rest_fingerprint(model, targets) == print_before
    for name, count in (("nothing", size), ("transformer.ln_f.bias", 1)):
        strange = {name: np.zeros(count, np.float32)}
        with pytest.raises(ConfigError, match="has no such parameter; give the model that was packed"):
            wearing(model, strange).__enter__()


@pytest.mark.parametrize("most", [1 << 24, 3])
def test_a_file_brings_them_in_as_many_packets_as_they_take(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sw.pack, "MAX_LENGTH", most)
    weights = np.eye(16, dtype=np.int8)
    layer = QuantizedLayer(
        "one", weights, weights != 0, Direction.VERTICAL, np.arange(16), np.ones(16, np.float32)
    )
    # SYNC among the numbers is stuffed, and taken out again.
    numbers = bytes.fromhex("6d7865a35ac33c96") * 3 + np.arange(13, dtype="<f4").tobytes()

    file = unpack(pack([layer], ArchConfig.load("tiny"), {}, numbers))

    assert file.parameters == numbers + bytes(-len(numbers) % 8) and len(file.layers) == 1
    assert np.array_equal(file.layers[0].weights, weights)
