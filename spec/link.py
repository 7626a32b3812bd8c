"""The byte link: frames that carry both streams of an accelerator over a line that loses, doubles and flips.

Why packets alone are not enough on such a line: a byte too few or too many shifts every word behind it,
answers have neither SYNC nor a way to be asked for again, and one flipped bit costs the whole layer. So the
streams travel as numbered bytes in frames, and arrive once, in order and complete, or not at all.

A frame is FLAG, body, FLAG. In between FLAG and ESCAPE are sent as ESCAPE and the byte XOR ``ESCAPE_XOR``. A
body is a header of ``HEADER_BYTES``, a payload, and the CRC-16 (CCITT, start 0xFFFF, high byte first) of
both. The host sends requests; the board answers every intact one with one reply and is silent otherwise.
Whatever is damaged is dropped, so the host asks again when no reply comes; both sides number bytes, so
hearing the same request twice changes nothing.
"""

import binascii
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from spec.arch import ArchConfig
from spec.errors import FormatError

__all__ = [
    "BAUD",
    "CRC_BYTES",
    "CRC_START",
    "ESCAPE",
    "ESCAPE_XOR",
    "FLAG",
    "HEADER_BYTES",
    "MAGIC",
    "OFFSET_WIDTH",
    "VERSION",
    "Frame",
    "FrameReader",
    "Identity",
    "Kind",
    "crc16",
    "encode_frame",
]

BAUD: Final = 1_000_000
"""Bits per second of the line, 8 data bits, no parity, 1 stop bit."""
FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
ESCAPE_XOR: Final = 0x20
CRC_START: Final = 0xFFFF
CRC_BYTES: Final = 2
OFFSET_WIDTH: Final = 16
"""Bits of the number of a byte; numbers wrap around."""
MAGIC: Final = b"mxvl"
VERSION: Final = 1
"""Of this link; any change of a frame's meaning raises it."""

_HEADER: Final = struct.Struct("<HBHHH")
HEADER_BYTES: Final = _HEADER.size
_FIELDS: Final = tuple(ArchConfig.model_fields)
_IDENTITY: Final = struct.Struct(f"<4sBBHH16sI{len(_FIELDS)}I")


class Kind(IntEnum):
    """What a frame is for."""

    CONNECT = 1
    """Request: reset the core, forget all bytes, begin the session of the header. Reply: the identity."""
    DATA = 2
    """Request and reply: bytes of the streams."""
    STRANGER = 3
    """Reply to a request of another session than the board's: nothing was done."""


@dataclass(frozen=True)
class Frame:
    """One request or reply.

    Parameters
    ----------
    session : int
        Chosen by the host, 1 to 65535; a board that has just started has session 0.
    kind : int
        A ``Kind``.
    offset : int
        Number of the payload's first byte in the sender's stream.
    taken : int
        Number of the byte that the sender expects next: it has all before.
    room : int
        Bytes of payload that the sender can take at once.
    payload : bytes
    """

    session: int
    kind: int
    offset: int = 0
    taken: int = 0
    room: int = 0
    payload: bytes = b""

    def body(self) -> bytes:
        """Return header, payload and CRC."""
        head = _HEADER.pack(self.session, self.kind, self.offset, self.taken, self.room)
        data = head + self.payload
        return data + crc16(data).to_bytes(CRC_BYTES, "big")

    @classmethod
    def parse(cls, body: bytes) -> "Frame | None":
        """Return the frame of a body, or None if it is damaged."""
        if len(body) < HEADER_BYTES + CRC_BYTES or crc16(body):
            return None
        session, kind, offset, taken, room = _HEADER.unpack_from(body)
        return cls(session, kind, offset, taken, room, body[HEADER_BYTES:-CRC_BYTES])


def crc16(data: bytes) -> int:
    """Return the CRC of ``data``; 0 if it ends with its own."""
    return binascii.crc_hqx(data, CRC_START)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame on the line."""
    body = frame.body()
    for special in (ESCAPE, FLAG):
        body = body.replace(bytes([special]), bytes([ESCAPE, special ^ ESCAPE_XOR]))
    return bytes([FLAG]) + body + bytes([FLAG])


class FrameReader:
    """Cut the line's bytes into frames; damaged ones are counted and dropped."""

    def __init__(self) -> None:
        self.damaged = 0
        self._open = bytearray()

    def read(self, data: bytes) -> list[Frame]:
        """Return the intact frames that ``data`` completes."""
        frames = []
        *bodies, rest = data.split(bytes([FLAG]))
        for body in bodies:
            stuffed, self._open = bytes(self._open + body), bytearray()
            if not stuffed:
                continue
            frame = Frame.parse(_unstuff(stuffed))
            if frame is None:
                self.damaged += 1
            else:
                frames.append(frame)
        self._open += rest
        return frames


def _unstuff(stuffed: bytes) -> bytes:
    first, *others = stuffed.split(bytes([ESCAPE]))
    # An escape at the very end is damage, and the CRC will say so.
    return first + b"".join(bytes([part[0] ^ ESCAPE_XOR]) + part[1:] for part in others if part)


@dataclass(frozen=True)
class Identity:
    """What a board says of itself.

    Parameters
    ----------
    board : str
        Its name, at most 16 bytes.
    arch : ArchConfig
    room_in, room_out : int
        Bytes that its queues hold, towards the core and from it.
    """

    board: str
    arch: ArchConfig
    room_in: int
    room_out: int

    @property
    def crc(self) -> int:
        """CRC-32 of the architecture's JSON."""
        return zlib.crc32(self.arch.to_json().encode())

    def encode(self) -> bytes:
        """Return the payload of the reply to CONNECT."""
        fields = [getattr(self.arch, name) for name in _FIELDS]
        word_bytes = self.arch.stream_width // 8
        name = self.board.encode()
        return _IDENTITY.pack(
            MAGIC, VERSION, word_bytes - 1, self.room_in, self.room_out, name, self.crc, *fields
        )

    @classmethod
    def decode(cls, payload: bytes) -> "Identity":
        """Return the identity in a payload.

        Raises
        ------
        FormatError
            If it is not one, of another version, or its architecture does not match its CRC.
        """
        if payload[: len(MAGIC)] != MAGIC:
            raise FormatError("what answers is not a mixvec board")
        version = payload[len(MAGIC)] if len(payload) > len(MAGIC) else 0
        if version != VERSION or len(payload) != _IDENTITY.size:
            raise FormatError(
                f"the board speaks version {version} of the link, not {VERSION}; build its bitstream anew"
            )
        _, _, _, room_in, room_out, name, crc, *fields = _IDENTITY.unpack(payload)
        try:
            arch = ArchConfig(**dict(zip(_FIELDS, fields, strict=True)))
        except ValueError:
            raise FormatError("the board's architecture is not a legal one") from None
        found = cls(name.rstrip(b"\0").decode("ascii", "replace"), arch, room_in, room_out)
        if found.crc != crc:
            raise FormatError(
                f"the board's architecture has CRC {found.crc:#010x}, not {crc:#010x} as it says"
            )
        return found
