"""The record: metadata of one vector, and the position it stands at.

A block's segments are visited in the order of their *position*, 0 to K - 1 (K padded to whole segments
when horizontal). Vertical: position = input ``k``; the segment is the block's B outputs at that input.
Horizontal: position = (k // B) * B + m, where ``m`` is the output's number inside its block; the segment
is output ``m`` at inputs k // B * B onwards. Either way ``position // B`` is the group of B inputs that
the segment reads, so both directions share every address.

A record moves from the next position on: a vector stands at ``next + advance`` and leaves
``next = position + 1``. A record without groups and without the end flag is an *escape*: it moves
``next`` by ``(advance + 1) << advance_width``. A record without groups but with the end flag closes a
block that has no (further) vector.
"""

from dataclasses import dataclass

from spec.arch import ArchConfig
from spec.layout import Layout

__all__ = ["Record", "advance_records", "decode_record", "encode_record", "escapes", "record_layout"]


@dataclass(frozen=True)
class Record:
    """One record: skip ``advance`` positions, then a vector of the groups set in ``bitmap``."""

    advance: int
    bitmap: int
    end: bool = False

    @property
    def is_escape(self) -> bool:
        """Whether this only moves the position."""
        return self.bitmap == 0 and not self.end


def record_layout(arch: ArchConfig) -> Layout:
    """Fields of a record."""
    return Layout("record", (("advance", arch.advance_width), ("bitmap", arch.groups), ("end", 1)))


def encode_record(record: Record, arch: ArchConfig) -> int:
    """Return the ``record_width`` bits of ``record``."""
    return record_layout(arch).encode(
        {"advance": record.advance, "bitmap": record.bitmap, "end": int(record.end)}
    )


def decode_record(word: int, arch: ArchConfig) -> Record:
    """Return the record in the ``record_width`` bits of ``word``."""
    fields = record_layout(arch).decode(word)
    return Record(fields["advance"], fields["bitmap"], bool(fields["end"]))


def escapes(gap: int, advance_width: int) -> int:
    """Escape records needed before a vector ``gap`` positions after the next one."""
    return -(-(gap >> advance_width) >> advance_width)


def advance_records(gap: int, bitmap: int, end: bool, arch: ArchConfig) -> list[Record]:
    """Return the records of one vector that skips ``gap`` positions: escapes, then the vector."""
    step = 1 << arch.advance_width
    records = []
    while gap >= step:
        jumps = min(gap // step, step)
        records.append(Record(jumps - 1, 0))
        gap -= jumps * step
    return [*records, Record(gap, bitmap, end)]
