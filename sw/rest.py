"""What lies around the packed layers of a model: the parameters of embeddings, biases, norms and heads.

Buffers are none of it: no training here changes them, as norms of batches stay in evaluation mode.
"""

import math
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.errors import ConfigError, FormatError
from sw.targets import Target

__all__ = ["changed_rest", "decode_rest", "encode_rest", "rest_fingerprint", "wearing"]

_FLOAT_BYTES: Final = 4
_MOST_AXES: Final = 8


def rest_fingerprint(model: nn.Module, targets: Collection[Target]) -> int:
    """Return the CRC-32 of every parameter outside the ``targets``, by name, as float32."""
    crc = 0
    for name, parameter in sorted(_rest(model, targets).items()):
        crc = zlib.crc32(_floats(parameter).tobytes(), zlib.crc32(name.encode(), crc))
    return crc


def changed_rest(
    model: nn.Module, before: nn.Module, targets: Collection[Target]
) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of ``model`` outside its ``targets`` that differ from those of ``before``."""
    held = dict(before.named_parameters())
    found = {name: _floats(parameter) for name, parameter in _rest(model, targets).items()}
    return {
        name: values
        for name, values in found.items()
        if not np.array_equal(values, _floats(held[name]), equal_nan=True)
    }


def encode_rest(changed: Mapping[str, NDArray[np.float32]]) -> tuple[dict[str, list[int]], bytes]:
    """Return the shape of every parameter, for a file's header, and the numbers of all.

    Raises
    ------
    ConfigError
        If a number is not finite.
    """
    for name, values in changed.items():
        if not np.isfinite(values).all():
            raise ConfigError(
                f"parameter {name} around the layers must be finite, but training left it otherwise; lower "
                f"the learning rate"
            )
    shapes = {name: list(values.shape) for name, values in changed.items()}
    return shapes, b"".join(values.astype("<f4").tobytes() for values in changed.values())


def decode_rest(shapes: Any, data: bytes, word_bytes: int) -> dict[str, NDArray[np.float32]]:
    """Return the parameters that :func:`encode_rest` gave, ``data`` padded to a word.

    Raises
    ------
    FormatError
        If ``shapes`` are none, or the data are not what they ask for.
    """
    if not isinstance(shapes, dict) or not all(_is_shape(shape) for shape in shapes.values()):
        raise FormatError("`trained` in the file's header must give the shape of every parameter by its name")
    sizes = [math.prod(shape) for shape in shapes.values()]
    words = -(-_FLOAT_BYTES * sum(sizes) // word_bytes)
    if len(data) != words * word_bytes:
        raise FormatError(
            f"the parameters around the layers must take {words} words, not {len(data) // word_bytes}"
        )
    changed, start = {}, 0
    for (name, shape), size in zip(shapes.items(), sizes, strict=True):
        values = np.frombuffer(data, "<f4", size, _FLOAT_BYTES * start).astype(np.float32)
        if not np.isfinite(values).all():
            raise FormatError(f"the numbers of parameter {name} must be finite; pack it again")
        changed[name], start = values.reshape(shape), start + size
    return changed


@contextmanager
def wearing(model: nn.Module, changed: Mapping[str, NDArray[np.float32]]) -> Iterator[None]:
    """Give ``model`` other numbers in the parameters that ``changed`` names, and at the end its own again.

    Raises
    ------
    ConfigError
        If it has no such parameter, or one of another shape.
    """
    parameters = dict(model.named_parameters())
    for name, values in changed.items():
        if name not in parameters or tuple(parameters[name].shape) != values.shape:
            raise ConfigError(
                f"the packed model brings {name}, {' x '.join(map(str, values.shape)) or 'one number'}, and "
                f"{type(model).__name__} has no such parameter; give the model that was packed"
            )
    own = {name: parameters[name].data for name in changed}
    try:
        for name, values in changed.items():
            parameters[name].data = torch.tensor(values).to(own[name])
        yield
    finally:
        for name, data in own.items():
            parameters[name].data = data


def _rest(model: nn.Module, targets: Collection[Target]) -> dict[str, nn.Parameter]:
    inside = {id(module.weight) for target in targets for module in target.modules}
    return {name: its for name, its in model.named_parameters() if id(its) not in inside}


def _is_shape(shape: Any) -> bool:
    """Whether it is a list of sizes that an array can have."""
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        return False
    sized = all(type(size) is int and 0 <= size < 1 << 31 for size in shape)
    return sized and math.prod(max(size, 1) for size in shape) < 1 << 40


def _floats(parameter: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = parameter.detach().to("cpu", torch.float32).contiguous().numpy()
    return values
