"""Malformed streams, each made from its number alone."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from spec.packet import Header, Opcode, Packet, frame_answer, frame_packet, framing_words, read_packets

__all__ = ["Malformer"]

_NUMBER: Final = re.compile(rb"-?\d+")
_ODD_NUMBERS: Final = (
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"1073741825",
    b"9223372036854775808",
    b"1.5",
    b'"x"',
    b"null",
)
_FIELDS: Final = (("opcode", 8), ("cluster", 8), ("argument", 16), ("tag", 8))
_HIGHEST_CORE_OPCODE: Final = 9
_MOST_NOISE: Final = 12
"""Random words, or packets made up, at a time."""


class Malformer:
    """Spoils sound streams in every way that a stream can be spoilt.

    Parameters
    ----------
    samples : sequence of bytes
        Sound streams.
    word_bytes : int
    seed : int
    stuffed : bool
        The streams are on their way in, with SYNC and STUFF; otherwise they are answers.
    tag : int, optional
        The only tag that packets made up have; any without it.
    """

    def __init__(
        self,
        samples: Sequence[bytes],
        word_bytes: int,
        seed: int,
        *,
        packets: Sequence[Sequence[Packet]] | None = None,
        tag: int | None = None,
    ) -> None:
        self.samples = samples
        self.size = word_bytes
        self.seed = seed
        self.tag = tag
        self.stuffed = packets is None
        self.packets = packets or [list(read_packets(sample, word_bytes)) for sample in samples]

    def stream(self, number: int) -> bytes:
        """Return malformed stream ``number``: always the same."""
        rng = np.random.default_rng([self.seed, number])
        ways = (
            self._flipped,
            self._cut_off,
            self._spliced,
            self._random_words,
            self._made_up,
            self._reordered,
            self._other_fields,
            self._other_payload,
        )
        return ways[int(rng.integers(len(ways)))](rng)

    def _sample(self, rng: np.random.Generator) -> bytes:
        return self.samples[int(rng.integers(len(self.samples)))]

    def _sample_packets(self, rng: np.random.Generator) -> list[Packet]:
        return list(self.packets[int(rng.integers(len(self.packets)))])

    def _cut(self, rng: np.random.Generator, data: bytes | bytearray) -> int:
        """A place between two words."""
        return int(rng.integers(len(data) // self.size + 1)) * self.size

    def _flipped(self, rng: np.random.Generator) -> bytes:
        """Some bits are wrong."""
        data = bytearray(self._sample(rng))
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        return bytes(data)

    def _cut_off(self, rng: np.random.Generator) -> bytes:
        """The end, the start or a piece within is missing."""
        data = self._sample(rng)
        one, two = sorted((self._cut(rng, data), self._cut(rng, data)))
        return (data[:one], data[one:], data[:one] + data[two:])[int(rng.integers(3))]

    def _spliced(self, rng: np.random.Generator) -> bytes:
        """The start of one stream, then the end of another."""
        head, tail = self._sample(rng), self._sample(rng)
        return head[: self._cut(rng, head)] + tail[self._cut(rng, tail) :]

    def _random_words(self, rng: np.random.Generator) -> bytes:
        """Random words, with SYNC and STUFF among them."""
        sync, stuff = framing_words(self.size)
        words = []
        for _ in range(int(rng.integers(1, _MOST_NOISE))):
            choice = rng.random()
            words.append(sync if choice < 0.3 else stuff if choice < 0.4 else rng.bytes(self.size))
        return b"".join(words)

    def _made_up(self, rng: np.random.Generator) -> bytes:
        """Packets that are sound and say nonsense, behind the sound start of a stream or none."""
        sound = self._sample_packets(rng)
        start = sound[: int(rng.integers(len(sound)))]
        made = []
        for _ in range(int(rng.integers(1, _MOST_NOISE))):
            opcode = int(rng.integers(_HIGHEST_CORE_OPCODE + 1) if rng.random() < 0.9 else rng.integers(256))
            length = int(rng.integers(_MOST_NOISE))
            fields = {"cluster": int(rng.integers(3)), "argument": int(rng.integers(1 << 16))}
            tag = int(rng.integers(256)) if self.tag is None else self.tag
            made.append(Packet(Header(opcode, length, tag=tag, **fields), rng.bytes(length * self.size), 0))
        return self._frame([*start, *made])

    def _reordered(self, rng: np.random.Generator) -> bytes:
        """Packets are missing, doubled, or out of order."""
        packets = self._sample_packets(rng)
        for _ in range(int(rng.integers(1, 4))):
            if not packets:
                break
            one, two = (int(place) for place in rng.integers(len(packets), size=2))
            match int(rng.integers(3)):
                case 0:
                    del packets[one]
                case 1:
                    packets.insert(two, packets[one])
                case _:
                    packets[one], packets[two] = packets[two], packets[one]
        return self._frame(packets)

    def _other_fields(self, rng: np.random.Generator) -> bytes:
        """A header says something else, or lies about the length; the CRC matches."""
        packets = self._sample_packets(rng)
        at = int(rng.integers(len(packets)))
        name, width = _FIELDS[int(rng.integers(len(_FIELDS) - (self.tag is not None)))]
        value = int(rng.integers(1 << width))
        if rng.random() < 0.5:
            value = getattr(packets[at].header, name) ^ 1 << int(rng.integers(width))
        packets[at] = replace(packets[at], header=replace(packets[at].header, **{name: value}))
        return self._frame(packets)

    def _other_payload(self, rng: np.random.Generator) -> bytes:
        """A payload is longer, shorter, other or nonsense; the CRC matches."""
        packets = self._sample_packets(rng)
        at = int(rng.integers(len(packets)))
        payload = bytearray(packets[at].payload)
        numbers = list(_NUMBER.finditer(payload)) if packets[at].header.opcode == Opcode.INFO else []
        if numbers:
            match = numbers[int(rng.integers(len(numbers)))]
            payload[match.start() : match.end()] = _ODD_NUMBERS[int(rng.integers(len(_ODD_NUMBERS)))]
            payload += bytes(-len(payload) % self.size)
        elif payload and rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 9))):
                payload[int(rng.integers(len(payload)))] = int(rng.integers(256))
        else:
            payload[self._cut(rng, payload) :] = rng.bytes(int(rng.integers(_MOST_NOISE)) * self.size)
        header = replace(packets[at].header, length=len(payload) // self.size)
        packets[at] = replace(packets[at], header=header, payload=bytes(payload))
        return self._frame(packets)

    def _frame(self, packets: Sequence[Packet]) -> bytes:
        frame = frame_packet if self.stuffed else frame_answer
        return b"".join(frame(packet.header, packet.payload, self.size) for packet in packets)
