"""Requests and replies of the byte link, as the host does them: asked again until they are answered."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from boards.line import Line
from spec.errors import LinkError
from spec.link import BAUD, CRC_BYTES, FLAG, OFFSET_WIDTH, Frame, FrameReader, Identity, Kind, encode_frame

__all__ = ["LinkCounts", "Session", "SessionLostError"]

_WRAP: Final = 1 << OFFSET_WIDTH
_BITS_PER_BYTE: Final = 10
_FRAME_BYTES: Final = 64
"""On the line besides the payload, both directions, generously."""
_IDENTITY_BYTES: Final = 128
_LONGEST_WAIT: Final = 1.0
"""Seconds that waiting for a reply grows to, from ``timeout``, doubled at every repeat."""
_LEAST_PAYLOAD: Final = 16
_MOST_PAYLOAD: Final = 1024


class SessionLostError(LinkError):
    """The board has been reset, or somebody else has begun a session."""


@dataclass
class LinkCounts:
    """What happened on the line.

    Parameters
    ----------
    requests : int
        Answered ones.
    repeats : int
        Requests that were sent again.
    damaged : int
        Replies dropped for their CRC.
    """

    requests: int = 0
    repeats: int = 0
    damaged: int = 0


class Session:
    """One host's talk with a board, from CONNECT on.

    Parameters
    ----------
    line : Line
    timeout : float
        Seconds without a reply, beyond those that the bytes take, after which a request is sent again.
    baud : int
        Bits per second that bytes are taken to need.
    attempts : int
        Times that a request is sent before the board is given up.
    seed : int, optional
        Of the session's number; random without it.

    Attributes
    ----------
    identity : Identity
    counts : LinkCounts
    room : int
        Bytes that the board can take.
    """

    identity: Identity

    def __init__(
        self,
        line: Line,
        *,
        timeout: float = 0.25,
        baud: int = BAUD,
        attempts: int = 12,
        seed: int | None = None,
    ) -> None:
        self.line: Final = line
        self.timeout: Final = timeout
        self.baud: Final = baud
        self.attempts: Final = attempts
        self.counts: Final = LinkCounts()
        self.room = 0
        self._random = random.Random(seed)
        self._number = self._sent = self._received = 0
        self._most = _MOST_PAYLOAD
        self._reader = FrameReader()

    def connect(self) -> Identity:
        """Begin anew: the core is reset, and nothing of before comes any more.

        Raises
        ------
        LinkError
            If nothing answers.
        FormatError
            If what answers is not a board of this version.
        """
        self._number = self._random.randrange(1, 1 << 16)
        self._sent = self._received = 0
        self.line.clear()
        # A frame that was cut off is over.
        self._reader.read(bytes([FLAG]))
        reply = self._ask(lambda most: Frame(self._number, Kind.CONNECT, room=_IDENTITY_BYTES))
        self.identity = Identity.decode(reply.payload)
        self.room = self.identity.room_in - CRC_BYTES
        return self.identity

    def exchange(self, data: bytes) -> tuple[int, bytes]:
        """Offer ``data`` and fetch what the board has; return how many bytes it took, and its own.

        Raises
        ------
        LinkError
            If nothing answers.
        SessionLostError
            If the board knows nothing of this session.
        """
        before = self._sent

        def request(most: int) -> Frame:
            payload = data[: min(self.room, most)]
            return Frame(self._number, Kind.DATA, before, self._received, most, payload)

        reply = self._ask(request)
        self._sent = reply.taken
        self._received = (self._received + len(reply.payload)) % _WRAP
        self.room = reply.room
        return (self._sent - before) % _WRAP, reply.payload

    def _ask(self, request: Callable[[int], Frame]) -> Frame:
        """Send a request until its reply comes, each time with fewer bytes, of which fewer are damaged."""
        ends: set[int] = set()
        for attempt in range(self.attempts):
            if attempt:
                self.counts.repeats += 1
                self._most = max(self._most // 2, _LEAST_PAYLOAD)
            frame = request(self._most)
            ends.add((frame.offset + len(frame.payload)) % _WRAP)
            data = encode_frame(frame)
            self.line.send(data)
            # A board that is only slow must not be asked faster than it answers.
            patience = max(self.timeout, min(self.timeout * 2**attempt, _LONGEST_WAIT))
            reply = self._reply(frame, ends, len(data), patience)
            if reply is not None:
                self.counts.requests += 1
                self._most = min(self._most + self._most // 8, _MOST_PAYLOAD)
                return reply
        raise LinkError(
            f"nothing answers on {self.line.name} in {self.attempts} tries; check that the board has power "
            f"and its bitstream, and that the port is its"
        )

    def _reply(self, request: Frame, ends: set[int], sent: int, patience: float) -> Frame | None:
        """Return the reply to ``request``, or None if it does not come in time."""
        whole = (sent + request.room + _FRAME_BYTES) * _BITS_PER_BYTE / self.baud
        deadline = time.monotonic() + patience + whole
        while (left := deadline - time.monotonic()) > 0:
            frames = self._reader.read(self.line.receive(left))
            self.counts.damaged = self._reader.damaged
            for frame in frames:
                strange = frame.kind == Kind.STRANGER and frame.session != request.session
                # While connecting it is the late reply to whoever was there before.
                if strange and request.kind == Kind.DATA:
                    raise SessionLostError(
                        f"the board on {self.line.name} was reset or has another host; run again"
                    )
                # Anything else is the reply to a request that was sent twice.
                if frame.session != request.session or frame.kind != request.kind:
                    continue
                if frame.kind == Kind.CONNECT:
                    return frame
                if frame.taken in ends and frame.offset == request.taken:
                    return frame
        return None
