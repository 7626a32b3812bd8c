"""A whole model on every backend: the same numbers, the same cycles, one file, clear refusals."""

import copy
import os
import pickle
import resource
import signal
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from codesign.packed import quantized
from codesign.twins import TWIN_BAUD, TWIN_TIMEOUT, start_twin
from codesign.whole import BackendKind, BoardPort, PackedModel, attach, compile_model, load_model, save_model
from sim.errors import SimulatorError
from sim.twin import Twin
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from sw.pack import pack
from sw.targets import find_targets
from tests.tiny_models import (
    TINY_TOKENS,
    VOCABULARY,
    StackedModel,
    outlying_gpt2,
    tiny_logits,
    token_inputs,
)

ARCH = ArchConfig.load("tiny")


@pytest.fixture(scope="module")
def gpt2() -> nn.Module:
    return outlying_gpt2()


@pytest.fixture(scope="module")
def packed(gpt2: nn.Module) -> PackedModel:
    return compile_model(gpt2, ARCH, 0.6, token_inputs(3), provenance={"model": "tiny"})


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    """A board that stays while its hosts come and go."""
    with start_twin("tang_nano_9k", ARCH, once=False) as running:
        yield running


@pytest.fixture(scope="module")
def runs(gpt2: nn.Module, packed: PackedModel, twin: Twin) -> dict[str, tuple[torch.Tensor, dict[str, Any]]]:
    """Logits and report of one call on every backend."""
    found = {}
    for backend in BackendKind:
        port = BoardPort(twin.port, TWIN_BAUD, TWIN_TIMEOUT) if backend is BackendKind.BOARD else None
        with attach(gpt2, packed, backend, port=port, tell=lambda sentence: None) as attachment:
            found[str(backend)] = tiny_logits(gpt2), attachment.report(50e6)
    return found


def test_every_backend_gives_pytorch_s_integers(
    gpt2: nn.Module, packed: PackedModel, runs: dict[str, tuple[torch.Tensor, dict[str, Any]]]
) -> None:
    integers = tiny_logits(packed.integer_model(gpt2))

    assert all(torch.equal(logits, integers) for logits, _ in runs.values())
    assert not torch.equal(tiny_logits(gpt2), integers)


def test_estimate_and_rtl_count_the_same_cycles_in_every_layer(
    runs: dict[str, tuple[torch.Tensor, dict[str, Any]]],
) -> None:
    estimate, rtl = runs["estimate"][1], runs["rtl"][1]

    assert [layer["cycles"] for layer in rtl["layers"]] == [layer["cycles"] for layer in estimate["layers"]]
    assert rtl == estimate
    # A line brings words when it does, but no other words.
    loads = [layer["load_cycles"] for layer in runs["board"][1]["layers"]]
    assert loads == [layer["load_cycles"] for layer in estimate["layers"]]
    assert all(layer["cycles"] > 0 and layer["calls"] == 1 for layer in rtl["layers"])
    assert runs["reference"][1]["total"]["cycles"] is None


def test_a_report_adds_up(packed: PackedModel, runs: dict[str, tuple[torch.Tensor, dict[str, Any]]]) -> None:
    report = runs["rtl"][1]
    total, layers = report["total"], report["layers"]

    assert [layer["name"] for layer in layers] == list(packed.layers) and len(layers) == 8
    assert {layer["tokens"] for layer in layers} == {TINY_TOKENS.numel()}
    assert total["cycles"] == sum(layer["cycles"] for layer in layers)
    assert total["milliseconds"] == pytest.approx(total["cycles"] / 50e3)
    kept = sum(int(np.count_nonzero(layer.mask)) for layer in packed.layers.values())
    assert total["kept"] == kept
    assert total["utilization"] == pytest.approx(kept * 12 / (4 * total["compute_cycles"]))


def test_tokens_one_by_one_are_those_of_the_reference(gpt2: nn.Module, packed: PackedModel) -> None:
    generated, cycles = {}, {}
    for backend in ("reference", "rtl", "estimate"):
        with attach(gpt2, packed, backend, tell=lambda sentence: None) as attachment:
            state, ids = None, [7]
            with torch.no_grad():
                for _ in range(6):
                    found = gpt2(torch.tensor([ids[-1:]]), past_key_values=state, use_cache=True)
                    state = found.past_key_values
                    ids.append(int(found.logits[0, -1].argmax()))
            generated[backend] = ids
            cycles[backend] = [layer["cycles"] for layer in attachment.report()["layers"]]

    assert generated["rtl"] == generated["reference"] and len(set(generated["rtl"])) > 1
    assert cycles["rtl"] == cycles["estimate"]


def test_detaching_gives_the_model_back(gpt2: nn.Module, packed: PackedModel) -> None:
    before, names = tiny_logits(gpt2), list(gpt2.state_dict())
    attachment = attach(gpt2, packed, "estimate", tell=lambda sentence: None)

    assert not torch.equal(tiny_logits(gpt2), before) and list(gpt2.state_dict()) == names
    with pytest.raises(ConfigError, match="attached to something already; detach them first"):
        attach(gpt2, packed, "estimate")
    attachment.detach()
    attachment.detach()

    assert torch.equal(tiny_logits(gpt2), before)


def test_a_packed_model_comes_back_from_its_file(packed: PackedModel, tmp_path: Path) -> None:
    save_model(packed, tmp_path / "model.mxv")
    back = load_model(tmp_path / "model.mxv")

    assert isinstance(back.data, mmap) and back.data[:] == packed.data and back.arch == ARCH
    assert (back.scales, back.rest, back.left_out) == (packed.scales, packed.rest, packed.left_out)
    assert back.provenance["model"] == "tiny" and back.provenance["sparsity"] == 0.6
    for name, layer in back.layers.items():
        its = packed.layers[name]
        # The words stay in the file.
        streams = [layer.head, *(one.data for one in layer.passes), layer.tail]
        assert all(isinstance(one, memoryview) and one.obj is back.data for one in streams)
        assert b"".join(streams) == b"".join([its.head, *(one.data for one in its.passes), its.tail])
        assert np.array_equal(layer.weights, its.weights) and np.array_equal(layer.order, its.order)
        assert np.array_equal(layer.scales, its.scales)
        assert layer.smoothing is not None and its.smoothing is not None
        assert np.array_equal(layer.smoothing, its.smoothing)
    assert [path.name for path in tmp_path.iterdir()] == ["model.mxv"]


def test_a_mapped_model_travels(packed: PackedModel, tmp_path: Path) -> None:
    save_model(packed, tmp_path / "model.mxv")
    mapped = load_model(tmp_path / "model.mxv")

    for back in (pickle.loads(pickle.dumps(mapped)), copy.deepcopy(mapped)):
        assert back.data == packed.data
        for name, layer in back.layers.items():
            streams = [layer.head, *(one.data for one in layer.passes), layer.tail]
            assert all(isinstance(one, bytes) for one in streams)
            assert np.array_equal(layer.weights, packed.layers[name].weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, r"describes its model in version 4, and this mixvec reads 3; use a newer mixvec"),
        ({"version": "x"}, "describes its model in version 'x', and this mixvec reads 3; pack it again"),
        ({"scales": {}}, "must give the scale of every layer's input"),
        ({"trained": None}, "must give the shape of every parameter by its name"),
        ({"trained": {"bias": [3]}}, "the parameters around the layers must take 2 words, not 0"),
        ({"rest": -1}, "the fingerprint of the model must have 32 bits, not -1"),
        ({"provenance": []}, "`provenance` in the file's header must be an object of plain values"),
        (None, "the file holds layers but no model around them"),
    ],
)
def test_files_that_this_version_cannot_read_are_refused(
    packed: PackedModel, changes: dict[str, Any] | None, message: str, tmp_path: Path
) -> None:
    layers = [quantized(layer) for layer in list(packed.layers.values())[:1]]
    (name,) = (layer.name for layer in layers)
    about = {"version": 3, "scales": {name: 1.0}, "rest": 0, "trained": {}, "left_out": {}, "provenance": {}}
    (tmp_path / "x.mxv").write_bytes(pack(layers, ARCH, None if changes is None else {**about, **changes}))

    with pytest.raises(FormatError, match=f"x.mxv is no packed model: .*{message}"):
        load_model(tmp_path / "x.mxv")


def test_without_room_the_file_before_stays(packed: PackedModel, tmp_path: Path) -> None:
    path = tmp_path / "x.mxv"
    path.write_bytes(b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ConfigError, match=r"x.mxv cannot be written: file too large; make room"):
            save_model(packed, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["x.mxv"]


def test_another_model_is_refused(gpt2: nn.Module, packed: PackedModel) -> None:
    other = copy.deepcopy(gpt2)
    with torch.no_grad():
        other.transformer.h[1].mlp.c_fc.bias[3] += 1  # type: ignore[index, union-attr]

    with pytest.raises(ConfigError, match="differs from the model that was packed in what lies around its"):
        attach(other, packed, "estimate")
    with pytest.raises(ConfigError, match=r"has a layer layer0\.qkv, and StackedModel has none"):
        attach(StackedModel(), packed, "estimate")
    with pytest.raises(ConfigError, match="backend must be one of reference, estimate, rtl, board, not gpu"):
        attach(gpt2, packed, "gpu")


def test_a_board_needs_its_port_and_its_architecture(
    gpt2: nn.Module, packed: PackedModel, twin: Twin
) -> None:
    with pytest.raises(ConfigError, match="backend board needs the port of a board; give `port`"):
        attach(gpt2, packed, "board")
    with pytest.raises(ConfigError, match="`port` belongs to backend board, not to rtl; drop it"):
        attach(gpt2, packed, "rtl", port=twin.port)
    with pytest.raises(ConfigError, match=r"port nowhere cannot be opened"):
        attach(gpt2, packed, "board", port="nowhere")
    other = compile_model(gpt2, ARCH.model_copy(update={"queue_depth": 16}), 0.6, token_inputs(1))
    before = tiny_logits(gpt2)
    with pytest.raises(ConfigError, match="has another architecture than the file, `queue_depth`"):
        attach(gpt2, other, "board", port=BoardPort(twin.port, TWIN_BAUD, TWIN_TIMEOUT))
    assert torch.equal(tiny_logits(gpt2), before)


def test_what_stays_in_pytorch_is_named_once() -> None:
    model = StackedModel()
    batches = [torch.randint(VOCABULARY, (4, 12), generator=torch.Generator().manual_seed(1))]
    said: list[str] = []

    packed = compile_model(model, ARCH, 0.5, batches)
    with attach(model, packed, "estimate", tell=said.append), torch.no_grad():
        model(TINY_TOKENS)
        model(TINY_TOKENS)

    assert said == ["runs in PyTorch, not on the accelerator: unused (never called in calibration)"]
    assert set(packed.layers) == {"query", "key", "value", "twice", "head"}


def test_a_layer_that_the_architecture_cannot_hold_stays_in_pytorch(gpt2: nn.Module) -> None:
    # Psums of 17 bits hold what a weak layer can add up, and not what a layer with a strong row can.
    arch = ArchConfig(clusters=1, lanes=2, tokens=2, psum_width=18)
    packed = compile_model(gpt2, arch, 0.9, token_inputs(2))
    said: list[str] = []

    with attach(gpt2, packed, "reference", tell=said.append):
        tiny_logits(gpt2)

    assert packed.layers and packed.left_out.keys() & find_targets(gpt2).keys()
    assert "psum_width" in said[0]


def test_a_bert_encoder_runs_with_its_padding() -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.train(False)
    attention = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])
    packed = compile_model(model, ARCH, 0.5, token_inputs(2))

    found = {}
    for backend in ("reference", "estimate"):
        with attach(model, packed, backend), torch.no_grad():
            found[backend] = model(input_ids=TINY_TOKENS, attention_mask=attention).last_hidden_state

    assert set(packed.layers) == {
        f"layer0.{part}" for part in ("qkv", "attention_output", "ff_up", "ff_down")
    }
    assert torch.equal(found["reference"], found["estimate"])


def test_a_simulator_that_dies_is_named_and_the_model_comes_back(
    gpt2: nn.Module, packed: PackedModel
) -> None:
    before = tiny_logits(gpt2)
    with attach(gpt2, packed, "rtl", tell=lambda sentence: None) as attachment:
        os.kill(attachment.backend.simulator.process_id, signal.SIGKILL)  # type: ignore[attr-defined]
        with pytest.raises(SimulatorError, match="was killed by SIGKILL"):
            tiny_logits(gpt2)

    assert torch.equal(tiny_logits(gpt2), before)
