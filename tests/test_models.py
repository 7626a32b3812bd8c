"""Models and files in: names, shapes, values, and one clear sentence for everything else."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spec.errors import ConfigError, FormatError
from sw.calibration import capture_activations
from sw.models import load_matrices, model_folder

PARTS = {"qkv": (1152, 384), "attention_output": (384, 384), "ff_up": (1536, 384), "ff_down": (384, 1536)}
BERT = "encoder.layer.{}.{}.weight"


def bert_arrays(layers: int = 1, width: int = 4) -> dict[str, torch.Tensor]:
    """A tiny BERT's encoder weights, every value different."""
    shapes = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (2 * width, width),
        "output.dense": (width, 2 * width),
    }
    generator = torch.Generator().manual_seed(1)
    return {
        BERT.format(layer, name): torch.randn(shape, generator=generator)
        for layer in range(layers)
        for name, shape in shapes.items()
    }


def hugging_face(folder: Path, arrays: dict[str, torch.Tensor]) -> Path:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    save_file(arrays, folder / "model.safetensors")
    return folder


def test_minilm_has_24_matrices_in_layer_order() -> None:
    matrices = load_matrices("minilm")

    expected = {f"layer{layer}.{part}": shape for layer in range(6) for part, shape in PARTS.items()}
    assert list(matrices) == list(expected)
    assert {name: tuple(matrix.shape) for name, matrix in matrices.items()} == expected
    assert {matrix.dtype for matrix in matrices.values()} == {torch.float32}


def test_activations_through_the_matrices_reproduce_the_model() -> None:
    matrices, inputs = load_matrices("minilm"), capture_activations("minilm", 20)
    assert {name: tuple(x.shape) for name, x in inputs.items()} == {
        name: (matrix.shape[1], 20) for name, matrix in matrices.items()
    }

    # The input of ff_down is GELU of what ff_up makes of its own input: names, order and layout agree.
    bias = load_bias("encoder.layer.2.intermediate.dense.bias")
    up = matrices["layer2.ff_up"] @ inputs["layer2.ff_up"] + bias[:, None]
    torch.testing.assert_close(torch.nn.functional.gelu(up), inputs["layer2.ff_down"], atol=1e-4, rtol=1e-4)


def load_bias(name: str) -> torch.Tensor:
    from safetensors import safe_open

    with safe_open(model_folder() / "model.safetensors", "pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
    return tensor


def test_activations_prefix_does_not_depend_on_the_count() -> None:
    few, many = capture_activations("minilm", 5), capture_activations("minilm", 40)

    torch.testing.assert_close(few["layer5.ff_down"], many["layer5.ff_down"][:, :5])


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_bert_folder_stacks_query_key_value(tmp_path: Path, prefix: str) -> None:
    arrays = bert_arrays(layers=2)
    hugging_face(tmp_path, {prefix + name: array for name, array in arrays.items()})

    matrices = load_matrices(tmp_path)

    assert list(matrices)[4:] == ["layer1.qkv", "layer1.attention_output", "layer1.ff_up", "layer1.ff_down"]
    for index, part in enumerate(("query", "key", "value")):
        weight = arrays[BERT.format(1, f"attention.self.{part}")]
        assert torch.equal(matrices["layer1.qkv"][4 * index : 4 * index + 4], weight)
    assert torch.equal(matrices["layer0.ff_down"], arrays[BERT.format(0, "output.dense")])


def test_gpt2_folder_is_transposed(tmp_path: Path) -> None:
    shapes = {"attn.c_attn": (4, 12), "attn.c_proj": (4, 4), "mlp.c_fc": (4, 16), "mlp.c_proj": (16, 4)}
    arrays = {f"h.0.{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    torch.save(arrays, tmp_path / "pytorch_model.bin")

    matrices = load_matrices(tmp_path)

    assert [tuple(matrix.shape) for matrix in matrices.values()] == [(12, 4), (4, 4), (16, 4), (4, 16)]
    assert torch.equal(matrices["layer0.qkv"], arrays["h.0.attn.c_attn.weight"].T)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz", ".npy"])
def test_every_matrix_of_a_file_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    matrix, bias = torch.arange(6, dtype=torch.float32).view(2, 3), torch.ones(2)
    path = tmp_path / f"weights{suffix}"
    match suffix:
        case ".safetensors":
            save_file({"a": matrix.half(), "b": bias}, path)
        case ".pt":
            torch.save({"state_dict": {"a": matrix.double(), "b": bias}}, path)
        case ".npz":
            np.savez(path, a=matrix.numpy().astype(np.int8), b=bias.numpy())
        case _:
            np.save(path, matrix.numpy())

    matrices = load_matrices(path)

    assert list(matrices) == ["weights" if suffix == ".npy" else "a"]
    (read,) = matrices.values()
    assert read.dtype == torch.float32 and torch.equal(read, matrix)


def test_a_single_tensor_in_a_pt_file_is_named_after_it(tmp_path: Path) -> None:
    torch.save(torch.ones(2, 3), tmp_path / "one.pt")

    assert list(load_matrices(tmp_path / "one.pt")) == ["one"]


BAD_ARRAYS = {
    "must be finite, but 1 of 4 values": np.array([[1.0, np.nan], [0.0, 1.0]]),
    "must be finite, but 2 of 4 values": np.array([[1.0, np.inf], [-np.inf, 1.0]]),
    "must be a matrix with rows and columns, not shape (0, 3)": np.zeros((0, 3)),
    "holds no 2-D array": np.zeros(5),
    "must hold real numbers, not complex64": np.zeros((2, 2), np.complex64),
    "must hold real numbers, not <U1": np.array([["a", "b"]]),
    "must hold real numbers, not bool": np.zeros((2, 2), bool),
}


@pytest.mark.parametrize("message", BAD_ARRAYS)
def test_a_bad_array_is_refused(tmp_path: Path, message: str) -> None:
    np.save(tmp_path / "bad.npy", BAD_ARRAYS[message])

    with pytest.raises((ConfigError, FormatError)) as refusal:
        load_matrices(tmp_path / "bad.npy")

    assert message in str(refusal.value) and "bad.npy" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz", ".npy"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"bad{suffix}"
    matrix = torch.ones(64, 64)
    match suffix:
        case ".safetensors":
            save_file({"a": matrix}, path)
        case ".pt":
            torch.save({"a": matrix}, path)
        case ".npz":
            np.savez(path, a=matrix.numpy())
        case _:
            np.save(path, matrix.numpy())
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"not weights", "cut": whole[: len(whole) // 2]}[damage])

    with pytest.raises(FormatError, match=rf"bad\{suffix} is not a readable \{suffix} file"):
        load_matrices(path)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "object.npy", np.array([[object()]]), allow_pickle=True)
    torch.save({"a": Path("x")}, tmp_path / "object.pt")

    for name in ("object.npy", "object.pt"):
        with pytest.raises(FormatError, match="is not a readable"):
            load_matrices(tmp_path / name)


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is neither `minilm` nor an existing folder or file"):
        load_matrices(tmp_path / "nothing.npz")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text("1,2")

    with pytest.raises(ConfigError, match=r"must end in one of \.safetensors, .* not `\.csv`"):
        load_matrices(tmp_path / "weights.csv")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        load_matrices(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FormatError, match="is not JSON"):
        load_matrices(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"needs model\.safetensors or pytorch_model\.bin"):
        load_matrices(tmp_path)
    save_file({"other": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match="no encoder layers of the BERT or GPT-2 family"):
        load_matrices(tmp_path)


def test_a_folder_with_a_missing_module_is_refused(tmp_path: Path) -> None:
    arrays = bert_arrays()
    del arrays[BERT.format(0, "attention.self.key")]

    with pytest.raises(FormatError, match=r"lacks attention\.self\.key of layer 0"):
        load_matrices(hugging_face(tmp_path, arrays))


@pytest.mark.parametrize(
    ("source", "tokens", "message"),
    [
        ("minilm", 0, "tokens must be at least 1, not 0"),
        ("minilm", 100_000, "fewer than 100000"),
        ("weights.npz", 4, "activations need a model folder"),
    ],
)
def test_bad_calibration_is_refused(source: str, tokens: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        capture_activations(source, tokens)
