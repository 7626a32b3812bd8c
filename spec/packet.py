"""Packets: how everything travels on the two streams, and what a packed file is made of.

A stream is a sequence of words of W bits, bytes in little-endian order. A packet on the way in is

    SYNC, header, ``length`` payload words, CRC word

The header has 64 bits: one word, or two of 32. SYNC is one fixed word. Where a word of header, payload or
CRC equals it, STUFF follows it; SYNC followed by anything else starts a packet, whatever was expected, so a
receiver finds its feet again after any damage. A packet on the way out is the same without SYNC and STUFF.
The CRC word is the CRC-32 (IEEE 802.3, as in zlib) of header and payload, zero-extended.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap
from typing import Final, TypeAlias

from spec.arch import BLOCK_WIDTH, ArchConfig
from spec.errors import FormatError
from spec.header import HEADER, header_words
from spec.layout import Layout
from spec.outputs import parameter_words, table_words

__all__ = [
    "HEADER",
    "HOST_ONLY",
    "MAX_LENGTH",
    "PACKET_HEADER_BYTES",
    "STUFF_BYTES",
    "SYNC_BYTES",
    "ErrorCode",
    "Header",
    "Opcode",
    "Packet",
    "Stored",
    "answer_bytes",
    "descriptor_layout",
    "frame_answer",
    "frame_packet",
    "framing_words",
    "length_limit",
    "opcodes_of",
    "read_answers",
    "read_packets",
    "word_bytes_of",
]


Stored: TypeAlias = bytes | mmap
"""A packed file in memory, or mapped into it: its slices are bytes either way."""


class Opcode(IntEnum):
    """First field of every header. The core ignores opcodes from ``HOST_ONLY`` to 0x7F."""

    BEGIN = 0x01
    """Start a layer: ``argument`` is ``ArchConfig.fingerprint``, ``cluster`` the mode, whose bit 0 is the
    direction (0 vertical, 1 horizontal); ``tag`` is echoed in every answer."""
    PASS = 0x02
    """Start a pass in the other weight bank; ``argument`` is the chunk of inputs, for the host alone."""
    BLOCKS = 0x03
    """Block descriptors of ``cluster``, one per word."""
    RECORDS = 0x04
    """Records of ``cluster``, packed without gaps."""
    VALUES = 0x05
    """Weights of ``cluster``: beats of L weights, a stripe after the other."""
    ACTIVATIONS = 0x06
    """One tile, L inputs of all T tokens after the other; starts the job when it is complete."""
    END = 0x07
    """Answer with DONE when every job is finished."""
    REQUANTIZE = 0x08
    """Bias, multiplier and shift of every output; ``argument`` is the zero point. See ``spec.outputs``."""
    TABLE = 0x09
    """The table that requantized outputs are looked up in."""
    INFO = 0x40
    """UTF-8 JSON, padded with zero bytes: the architecture at the head of a file, a layer's name and shape
    after BEGIN."""
    ORDER = 0x41
    """Permutation of the outputs (vertical) or inputs (horizontal)."""
    SCALES = 0x42
    """Scales of the outputs: base (signed 16 bits), then one 8-bit code per output."""
    SMOOTHING = 0x43
    """One signed 8-bit exponent per input: it is divided by that power of two before it is quantized."""
    PARAMETERS = 0x44
    """Float32 numbers, after a file's first INFO: what training changed of the model around the layers."""
    PSUMS = 0x81
    """One block of ``cluster``, psums of ``output_width`` bits; ``argument`` is the number of the part in the
    cluster's BLOCKS."""
    DONE = 0x82
    """The layer's counters, one per word."""
    ERROR = 0x83
    """``argument`` is an ``ErrorCode``, ``cluster`` the opcode at fault."""
    CODES = 0x84
    """One block, requantized to ``activation_width`` bits, otherwise as PSUMS."""


HOST_ONLY: Final = 0x40
_OUTPUT_STAGE: Final = (Opcode.REQUANTIZE, Opcode.TABLE, Opcode.CODES)


class ErrorCode(IntEnum):
    """Why the core refused a stream. After an error it ignores everything up to the next BEGIN."""

    NO_SYNC = 1
    """A word other than SYNC where a packet must start."""
    TRUNCATED = 2
    """A packet started before the one under way was complete."""
    BAD_CRC = 3
    """The CRC word does not match."""
    BAD_OPCODE = 4
    """The opcode is not one the core knows."""
    TOO_LONG = 5
    """The payload exceeds the memory it is meant for."""
    BAD_CLUSTER = 6
    """There is no such cluster."""
    BAD_ARCHITECTURE = 7
    """The fingerprint of BEGIN is another architecture's."""
    BAD_SEQUENCE = 8
    """The packet may not come here: a pass before BEGIN or before the output parameters, these where none are
    due, weights before PASS, activations before weights, BLOCKS of one cluster twice in a pass."""
    NO_END = 9
    """A layer starts, although the one before has had no END. The new layer runs all the same."""


MAX_LENGTH: Final = (1 << 24) - 1
SYNC_BYTES: Final = bytes.fromhex("6d7865a35ac33c96")
STUFF_BYTES: Final = bytes.fromhex("6d7865a35ac33c69")
PACKET_HEADER_BYTES: Final = HEADER.width // 8
_LEAST_WORD_BYTES: Final = 4


@dataclass(frozen=True)
class Header:
    """What a packet says of itself."""

    opcode: int
    length: int = 0
    cluster: int = 0
    argument: int = 0
    tag: int = 0

    def encode(self) -> int:
        """Return the 64 bits of the header."""
        return HEADER.encode(vars(self))

    @classmethod
    def decode(cls, word: int) -> "Header":
        """Return the header in ``word``."""
        return cls(**HEADER.decode(word))


@dataclass(frozen=True)
class Packet:
    """A header, its payload, and the stream words that it took, framing included."""

    header: Header
    payload: bytes
    words: int


def descriptor_layout(arch: ArchConfig) -> Layout:
    """Fields of a block descriptor.

    ``start``: position of the part's first segment. ``split``: the block has several parts, whose
    psums are summed in ``slot``; ``others`` is their number less one; the three are left out without
    ``split_slots``. ``block``: number of the block, of which the core reads no more bits than
    ``output_blocks`` needs.
    """
    parts = (("split", 1), ("slot", max((arch.split_slots - 1).bit_length(), 1)), ("others", 8))
    shared = parts if arch.split_slots else ()
    return Layout("block descriptor", (("start", arch.position_width), *shared, ("block", BLOCK_WIDTH)))


def opcodes_of(arch: ArchConfig) -> tuple[Opcode, ...]:
    """Return the opcodes that ``arch`` knows: those of the output stage only if it has one."""
    return tuple(opcode for opcode in Opcode if arch.output_blocks or opcode not in _OUTPUT_STAGE)


def length_limit(opcode: int, arch: ArchConfig) -> int:
    """Longest payload, in words, that the core takes for ``opcode``."""
    match opcode:
        case Opcode.BLOCKS:
            return arch.block_depth
        case Opcode.RECORDS:
            return arch.record_depth
        case Opcode.VALUES:
            return arch.value_depth // arch.beats_per_stripe * arch.words_per_stripe
        case Opcode.ACTIVATIONS:
            return arch.activation_depth * arch.words_per_input_word
        case Opcode.REQUANTIZE:
            return parameter_words(arch, arch.output_blocks * arch.segment)
        case Opcode.TABLE:
            return table_words(arch)
        case Opcode.BEGIN | Opcode.PASS | Opcode.END:
            return 0
        case _:
            return MAX_LENGTH


def _body(header: Header, payload: bytes, word_bytes: int) -> bytes:
    """Header, payload and CRC word."""
    if len(payload) != header.length * word_bytes:
        raise FormatError(
            f"a payload of {header.length} words has {header.length * word_bytes} bytes, not {len(payload)}"
        )
    body = header.encode().to_bytes(max(word_bytes, PACKET_HEADER_BYTES), "little") + payload
    return body + zlib.crc32(body).to_bytes(word_bytes, "little")


def frame_packet(header: Header, payload: bytes, word_bytes: int) -> bytes:
    """Return the words of one packet on the way in."""
    sync, stuff = framing_words(word_bytes)
    body = _body(header, payload, word_bytes)
    return sync + _replace_words(body, sync, sync + stuff, word_bytes)


def frame_answer(header: Header, payload: bytes, word_bytes: int) -> bytes:
    """Return the words of one packet on the way out."""
    return _body(header, payload, word_bytes)


def framing_words(word_bytes: int) -> tuple[bytes, bytes]:
    """Return SYNC and STUFF as stream words: repeated to fill one, or cut to 32 bits."""
    if word_bytes < len(SYNC_BYTES):
        return SYNC_BYTES[:word_bytes], STUFF_BYTES[-word_bytes:]
    repeats = word_bytes // len(SYNC_BYTES)
    return SYNC_BYTES * repeats, STUFF_BYTES * repeats


def _replace_words(data: bytes, old: bytes, new: bytes, word_bytes: int) -> bytes:
    """Replace aligned occurrences of ``old``, whose first word decides the alignment."""
    parts, start, found = [], 0, data.find(old)
    while found >= 0:
        if found % word_bytes:
            found = data.find(old, found + 1)
            continue
        parts += [data[start:found], new]
        start = found + len(old)
        found = data.find(old, start)
    return b"".join([*parts, data[start:]])


def word_bytes_of(data: Stored) -> int:
    """Return the bytes per word of a packed file, read off its first SYNC word.

    Raises
    ------
    FormatError
        If ``data`` does not start with SYNC.
    """
    if data[:4] == SYNC_BYTES[:4] and data[:8] != SYNC_BYTES:
        return _LEAST_WORD_BYTES
    repeats = 0
    while data[repeats * 8 : repeats * 8 + 8] == SYNC_BYTES:
        repeats += 1
    if repeats not in (1, 2, 4, 8, 16):
        raise FormatError("it does not start with the sync word, so it is not a packed mixvec file")
    return repeats * 8


def read_packets(data: Stored, word_bytes: int) -> Iterator[Packet]:
    """Yield the packets of a stream on the way in.

    Raises
    ------
    FormatError
        At the first packet that is damaged; names its byte offset and the rule.
    """
    sync, stuff = framing_words(word_bytes)
    offset = 0
    while offset < len(data):
        if data[offset : offset + word_bytes] != sync:
            raise FormatError(f"byte {offset}: a packet must start with the sync word")
        end = _next_start(data, offset + word_bytes, sync, stuff)
        body = _replace_words(data[offset + word_bytes : end], sync + stuff, sync, word_bytes)
        header, payload = _open(body, word_bytes, offset)
        yield Packet(header, payload, (end - offset) // word_bytes)
        offset = end


def answer_bytes(head: bytes, word_bytes: int) -> int:
    """Return the bytes of the answer that begins with the 8 of ``head``: header, payload and CRC."""
    length = Header.decode(int.from_bytes(head, "little")).length
    return (header_words(8 * word_bytes) + length + 1) * word_bytes


def read_answers(data: bytes, word_bytes: int) -> Iterator[Packet]:
    """Yield the packets of a stream on the way out; errors as in :func:`read_packets`."""
    offset = 0
    while offset < len(data):
        end = offset + answer_bytes(data[offset : offset + PACKET_HEADER_BYTES], word_bytes)
        header, payload = _open(data[offset:end], word_bytes, offset)
        yield Packet(header, payload, (end - offset) // word_bytes)
        offset = end


def _next_start(data: Stored, start: int, sync: bytes, stuff: bytes) -> int:
    """Offset of the next SYNC that starts a packet, or of the end."""
    size, found = len(sync), data.find(sync, start)
    while found >= 0:
        aligned = found % size == 0
        if aligned and data[found + size : found + 2 * size] != stuff:
            return found
        found = data.find(sync, found + (2 * size if aligned else 1))
    return len(data)


def _open(body: bytes, word_bytes: int, offset: int) -> tuple[Header, bytes]:
    """Check one packet's header, length and CRC."""
    head = header_words(8 * word_bytes) * word_bytes
    if len(body) < head + word_bytes or len(body) % word_bytes:
        raise FormatError(f"byte {offset}: the packet is cut off after {len(body)} bytes")
    header = Header.decode(int.from_bytes(body[:head], "little"))
    words = (len(body) - head) // word_bytes - 1
    if header.length != words:
        raise FormatError(f"byte {offset}: the header announces {header.length} words, but {words} follow")
    if zlib.crc32(body[:-word_bytes]) != int.from_bytes(body[-word_bytes:], "little"):
        raise FormatError(f"byte {offset}: the CRC does not match the packet")
    return header, body[head:-word_bytes]
