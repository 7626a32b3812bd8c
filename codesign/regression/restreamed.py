"""Jobs in other words: streams that mean the same as those that the packer writes."""

from dataclasses import replace
from typing import Final

from codesign.regression.jobs import Job, frames
from spec.arch import ArchConfig
from spec.packet import (
    Header,
    Opcode,
    Packet,
    descriptor_layout,
    frame_packet,
    framing_words,
)

__all__ = ["stuffed", "with_note", "with_unused_fields"]

_NOTE: Final = 0x7F
"""Opcode of a packet that the core ignores but for its CRC."""


def stuffed(job: Job, arch: ArchConfig) -> Job:
    """Return ``job`` with a packet for the host behind its head, in which every word is SYNC, stuffed."""
    return with_note(job, framing_words(arch.stream_width // 8)[0] * 3, arch, "stuffed")


def with_note(job: Job, payload: bytes, arch: ArchConfig, what: str) -> Job:
    """Return ``job`` with a packet for the host behind its head; ``what`` goes into its name."""
    size = arch.stream_width // 8
    note = frame_packet(Header(_NOTE, len(payload) // size), payload, size)
    return replace(
        job, name=f"{job.name}, {what}", packed=replace(job.packed, head=bytes(job.packed.head) + note)
    )


def with_unused_fields(job: Job, arch: ArchConfig) -> Job:
    """Return ``job`` with ones in the fields that say nothing of a block that is not split."""
    passes = tuple(
        replace(one, data=b"".join(_filled(packet, arch) for packet in frames(one.data, arch)))
        for one in job.packed.passes
    )
    return replace(job, name=f"{job.name}, unused fields", packed=replace(job.packed, passes=passes))


def _filled(packet: Packet, arch: ArchConfig) -> bytes:
    size, layout, payload = arch.stream_width // 8, descriptor_layout(arch), packet.payload
    if packet.header.opcode == Opcode.BLOCKS:
        words = []
        for at in range(0, len(payload), size):
            fields = layout.decode(int.from_bytes(payload[at : at + size], "little"))
            if not fields["split"]:
                fields |= {name: (1 << dict(layout.widths)[name]) - 1 for name in ("slot", "others")}
            words.append(layout.encode(fields).to_bytes(size, "little"))
        payload = b"".join(words)
    return frame_packet(packet.header, payload, size)
