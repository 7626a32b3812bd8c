"""Bit fields of one word, from bit 0 up: one encoder and one decoder for every format."""

from collections.abc import Mapping
from dataclasses import dataclass

from spec.errors import FormatError

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Named unsigned fields packed from bit 0 up, without gaps.

    Parameters
    ----------
    name : str
        What the word is, for error messages.
    widths : tuple of (str, int)
        Field names and widths in bits, lowest first.
    """

    name: str
    widths: tuple[tuple[str, int], ...]

    @property
    def width(self) -> int:
        """Bits of the whole word."""
        return sum(width for _, width in self.widths)

    def offset(self, field: str) -> int:
        """Lowest bit of ``field``."""
        offset = 0
        for name, width in self.widths:
            if name == field:
                return offset
            offset += width
        raise KeyError(field)

    def encode(self, fields: Mapping[str, int]) -> int:
        """Return the word that holds ``fields``; a field left out is 0.

        Raises
        ------
        FormatError
            If a value does not fit its field or a field is unknown.
        """
        word, offset, left = 0, 0, dict(fields)
        for name, width in self.widths:
            value = left.pop(name, 0)
            if not 0 <= value < 1 << width:
                raise FormatError(f"{self.name} field `{name}` holds 0 to {(1 << width) - 1}, not {value}")
            word |= value << offset
            offset += width
        if left:
            raise FormatError(f"{self.name} has no field `{next(iter(left))}`")
        return word

    def decode(self, word: int) -> dict[str, int]:
        """Return the fields of ``word``; bits above the layout must be 0.

        Raises
        ------
        FormatError
            If ``word`` is wider than the layout.
        """
        if word >> self.width:
            raise FormatError(f"{self.name} has {self.width} bits, but bits above them are set in {word:#x}")
        fields = {}
        for name, width in self.widths:
            fields[name] = word & ((1 << width) - 1)
            word >>= width
        return fields
