"""Jobs of the accelerator: a packed layer and the activations that it is multiplied with."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from codesign.verification import expected_words, integer_product
from spec.arch import ArchConfig
from spec.packet import Opcode, Packet, frame_packet, read_packets
from sw.job import job_stream
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.unpack import PackedLayer, unpack

__all__ = ["Job", "answer_words", "frames", "make_jobs", "product", "reframe", "stream_of", "tagged"]


@dataclass(frozen=True, eq=False)
class Job:
    """A packed layer and the K x N activations that it is multiplied with."""

    name: str
    packed: PackedLayer
    activations: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """N."""
        return int(self.activations.shape[1])


def make_jobs(cases: Iterable[tuple[str, QuantizedLayer, NDArray[np.int64]]], arch: ArchConfig) -> list[Job]:
    """Pack all layers into one file, so that every job has its own tag."""
    named = [(name, replace(layer, name=name), activations) for name, layer, activations in cases]
    layers = unpack(pack([layer for _, layer, _ in named], arch)).layers
    return [Job(name, packed, x) for (name, _, x), packed in zip(named, layers, strict=True)]


def product(job: Job) -> NDArray[np.int64]:
    """Return what PyTorch's integer matmul says of the unpacked weights."""
    return integer_product(job.packed.weights, job.activations)


def stream_of(job: Job, arch: ArchConfig) -> bytes:
    """Return the words that run ``job``."""
    return job_stream(job.packed, job.activations, arch)


def frames(stream: bytes | memoryview, arch: ArchConfig) -> list[Packet]:
    """Return the packets of an undamaged stream."""
    return list(read_packets(bytes(stream), arch.stream_width // 8))


def reframe(packet: Packet, arch: ArchConfig, **fields: int) -> bytes:
    """Return ``packet`` as words again, with some header fields replaced and a CRC that matches."""
    return frame_packet(replace(packet.header, **fields), packet.payload, arch.stream_width // 8)


def tagged(job: Job, tag: int, arch: ArchConfig) -> Job:
    """Return ``job`` with another tag in its BEGIN packet."""
    head = b"".join(
        reframe(packet, arch, tag=tag if packet.header.opcode == Opcode.BEGIN else packet.header.tag)
        for packet in frames(job.packed.head, arch)
    )
    return replace(job, packed=replace(job.packed, head=head, tag=tag))


def answer_words(job: Job, arch: ArchConfig) -> int:
    """Return the words of the answer to ``job``: every block of every tile, then DONE."""
    return expected_words(job.packed, job.tokens, arch)
