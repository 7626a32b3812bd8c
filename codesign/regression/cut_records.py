"""Jobs whose records run out before the last block's end: the ends that are missing are made up."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from codesign.regression.damage import Damage
from codesign.regression.jobs import frames, reframe
from spec.arch import ArchConfig
from spec.packet import Opcode, Packet, length_limit
from spec.record import Record, decode_record, encode_record
from sw.bits import pack_fields, pad_to_word

__all__ = ["cut_records"]

_SHAPES: Final[dict[str, Callable[[ArchConfig], Record]]] = {
    "escapes": lambda arch: Record((1 << arch.advance_width) - 1, 0),
    "vectors": lambda arch: Record(0, (1 << arch.groups) - 1),
}
"""Records without an end."""


def cut_records(stream: bytes, arch: ArchConfig) -> Iterator[Damage]:
    """Yield ``stream`` with records cut off behind every number of words, and with memories full of them.

    Each comes with a sound stream that means the same, in which every record that is missing is a close.
    """
    packets = frames(stream, arch)
    size = arch.stream_width // 8
    longest = max(one.header.length for one in packets if one.header.opcode == Opcode.RECORDS)
    for words in range(longest):
        kept = [_cut(one, words * size) for one in packets]
        yield Damage(
            f"records cut off after {words} words",
            _changed(kept, arch, lambda its, _: its),
            meant=_changed(kept, arch, lambda its, blocks: _closed(its, blocks, arch)),
        )
    yield from _endless(packets, arch)


def _cut(packet: Packet, most: int) -> Packet:
    """``packet`` with at most so many bytes, if it holds records."""
    return (
        replace(packet, payload=packet.payload[:most]) if packet.header.opcode == Opcode.RECORDS else packet
    )


def _endless(packets: list[Packet], arch: ArchConfig) -> Iterator[Damage]:
    """Records without an end in all of the memory, of both banks; weights are 0, wherever vectors stand."""
    silent = [_silent(one, arch) for one in packets]
    place = next(n for n, one in enumerate(silent) if one.header.opcode == Opcode.PASS)
    twice = [*silent[:-1], *silent[place:]]
    memory = length_limit(Opcode.RECORDS, arch) * arch.stream_width // 8
    for name, shape in _SHAPES.items():
        count = memory * 8 // arch.record_width
        full = _packed([shape(arch)] * count, arch).ljust(memory, b"\0")
        yield Damage(
            f"records that fill their memory: {name} without an end",
            _changed(twice, arch, lambda *_, full=full: full),
            meant=_changed(twice, arch, lambda _, blocks: _closed(b"", blocks, arch)),
        )


def _silent(packet: Packet, arch: ArchConfig) -> Packet:
    """``packet`` with nothing but zeros in all of the memory, if it holds values."""
    header = packet.header
    if header.opcode != Opcode.VALUES:
        return packet
    words = length_limit(Opcode.VALUES, arch)
    return replace(
        packet, header=replace(header, length=words), payload=bytes(words * arch.stream_width // 8)
    )


def _changed(packets: list[Packet], arch: ArchConfig, change: Callable[[bytes, int], bytes]) -> bytes:
    """All packets, with other records; ``change`` gets those of each cluster and how many blocks it has."""
    size, parts, blocks = arch.stream_width // 8, [], 0
    for packet in packets:
        header = packet.header
        if header.opcode == Opcode.BLOCKS:
            blocks = header.length
        if header.opcode == Opcode.RECORDS:
            payload = change(packet.payload, blocks)
            parts.append(reframe(replace(packet, payload=payload), arch, length=len(payload) // size))
        else:
            parts.append(reframe(packet, arch))
    return b"".join(parts)


def _closed(payload: bytes, blocks: int, arch: ArchConfig) -> bytes:
    """The whole records in ``payload``, and a close for every one of ``blocks`` that they do not end."""
    word, width = int.from_bytes(payload, "little"), arch.record_width
    records = [
        decode_record(word >> at & ((1 << width) - 1), arch)
        for at in range(0, len(payload) * 8 - width + 1, width)
    ]
    missing = blocks - sum(record.end for record in records)
    return _packed([*records, *[Record(0, 0, end=True)] * missing], arch)


def _packed(records: list[Record], arch: ArchConfig) -> bytes:
    codes = np.array([encode_record(one, arch) for one in records], np.int64)
    return pad_to_word(pack_fields(codes, arch.record_width), arch.stream_width // 8)
