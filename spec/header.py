"""The header of a packet: its fields, and the words that it takes."""

from typing import Final

from spec.layout import Layout

__all__ = ["HEADER", "header_words"]

HEADER: Final = Layout(
    "header", (("opcode", 8), ("cluster", 8), ("argument", 16), ("length", 24), ("tag", 8))
)


def header_words(stream_width: int) -> int:
    """Words of the stream that a header takes: 1, or 2 of 32 bits."""
    return -(-HEADER.width // stream_width)
