"""Packed models on disk."""

from pathlib import Path

from codesign.files import map_file, output_file
from spec.errors import FormatError
from sw.packed_model import PackedModel

__all__ = ["load_model", "save_model"]


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
