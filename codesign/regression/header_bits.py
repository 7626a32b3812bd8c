"""Jobs in which one bit of one header is wrong, and the CRC right."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from codesign.regression.damage import ANY, Damage
from codesign.regression.jobs import frames
from spec.arch import ArchConfig
from spec.packet import HEADER, Header, frame_packet

__all__ = ["wrong_header_bits"]


def wrong_header_bits(stream: bytes, arch: ArchConfig) -> Iterator[Damage]:
    """Yield ``stream`` once for every header bit of the first packet of every opcode.

    Tags stay, by which answers are told apart. A length that is a lie takes in packets that follow, or
    leaves words behind.
    """
    size = arch.stream_width // 8
    packets = frames(stream, arch)
    words = [frame_packet(packet.header, packet.payload, size) for packet in packets]
    seen: set[int] = set()
    for at, packet in enumerate(packets):
        if packet.header.opcode in seen:
            continue
        seen.add(packet.header.opcode)
        for bit in range(HEADER.offset("tag")):
            header = Header.decode(packet.header.encode() ^ 1 << bit)
            lie = _announce(header, packet.payload, size)
            yield Damage(
                f"bit {bit} of the header of packet {at}, opcode {packet.header.opcode:#04x}",
                b"".join([*words[:at], lie, *words[at + 1 :]]),
                ANY,
                silent=True,
            )


def _announce(header: Header, payload: bytes, size: int) -> bytes:
    """A packet that may announce another length than it has; the CRC covers what is there."""
    honest = frame_packet(replace(header, length=len(payload) // size), payload, size)
    head = header.encode().to_bytes(max(size, HEADER.width // 8), "little")
    crc = zlib.crc32(head + payload).to_bytes(size, "little")
    return honest[:size] + head + honest[size + len(head) : -size] + crc
