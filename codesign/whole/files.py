"""Packed models on disk."""

from pathlib import Path
from zipfile import is_zipfile

from torch import nn

from codesign.files import map_file, output_file
from spec.errors import ConfigError, FormatError
from sw.packed_model import PackedModel
from sw.pruned_state import PrunedState

__all__ = ["load_model", "load_start", "save_model"]


def save_model(packed: PackedModel, path: Path) -> None:
    """Write a packed model; what `mixvec inspect`, `sim` and `estimate` read too.

    Raises
    ------
    ConfigError
        If ``path`` cannot be written, or there is no room; nothing half-written stays.
    """
    with output_file(path) as part:
        part.write_bytes(packed.data)


def load_model(path: Path) -> PackedModel:
    """Return a packed model; its words stay in the file, which is mapped into memory.

    Raises
    ------
    ConfigError, FormatError
        If the file cannot be read, is damaged or too new; one sentence that names it.
    """
    data = map_file(path)
    try:
        return PackedModel.parse(data)
    except FormatError as error:
        raise FormatError(f"{path} is no packed model: {error}") from None


def load_start(path: Path, model: nn.Module) -> PrunedState:
    """Return what was pruned of the dense ``model`` before: a model that was kept, or a packed one.

    Raises
    ------
    ConfigError, FormatError
        If the file is neither, or is of another model; one sentence that names it.
    """
    # What torch saves is a zip archive.
    if not path.is_file() or is_zipfile(path):
        return PrunedState.load(path)
    try:
        packed = load_model(path)
    except FormatError:
        raise FormatError(f"{path} is neither a pruned model that was kept nor a packed model") from None
    try:
        return PrunedState.unpacked(packed, model)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
