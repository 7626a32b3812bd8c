"""A board from the host's side: streams in, answers out, whatever the line does."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from boards.line import Line, SerialLine
from boards.session import LinkCounts, Session, SessionLostError
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError, LinkError
from spec.link import BAUD, Identity
from spec.packet import PACKET_HEADER_BYTES, Header, Opcode, answer_bytes, read_answers

__all__ = ["Board"]

_LAST: Final = (Opcode.DONE, Opcode.ERROR)


class Board:
    """A connected board.

    Parameters
    ----------
    line : Line
    timeout : float
        See ``Session``.
    baud : int
    patience : float
        Seconds in which a job must move at least one byte.
    tries : int
        Times that a job is begun before it is given up.
    attempts : int
        See ``Session``.
    seed : int, optional
        Of the session's number.

    Attributes
    ----------
    identity : Identity

    Raises
    ------
    LinkError
        If nothing answers.
    FormatError
        If what answers is not a board of this version.
    """

    def __init__(
        self,
        line: Line,
        *,
        timeout: float = 0.25,
        baud: int = BAUD,
        patience: float = 30,
        tries: int = 3,
        attempts: int = 12,
        seed: int | None = None,
    ) -> None:
        self.line: Final = line
        self.patience: Final = patience
        self.tries: Final = tries
        self.restarts = 0
        self._session = Session(line, timeout=timeout, baud=baud, attempts=attempts, seed=seed)
        self.identity: Final[Identity] = self._session.connect()

    @classmethod
    def open(cls, port: str, *, baud: int = BAUD, timeout: float = 0.25, patience: float = 30) -> Self:
        """Return the board on a serial port.

        Raises
        ------
        ConfigError
            If the port cannot be opened.
        LinkError, FormatError
            If there is no board on it.
        """
        line = SerialLine(port, baud)
        try:
            return cls(line, timeout=timeout, baud=baud, patience=patience)
        except BaseException:
            line.close()
            raise

    @property
    def counts(self) -> LinkCounts:
        """What happened on the line so far."""
        return self._session.counts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the line to others."""
        self.line.close()

    def check(self, arch: ArchConfig) -> None:
        """Make sure that the board runs what is packed for ``arch``.

        Raises
        ------
        ConfigError
            If it does not; names what differs.
        """
        own = self.identity.arch
        if own == arch:
            return
        theirs, ours = own.model_dump(), arch.model_dump()
        names = [name for name in ArchConfig.model_fields if theirs.get(name, 0) != ours.get(name, 0)]
        differs = ", ".join(
            f"`{name}` {theirs.get(name, 0)} instead of {ours.get(name, 0)}" for name in names
        )
        raise ConfigError(
            f"the board {self.identity.board} has another architecture than the file, {differs}: pack the "
            f"file for the board's, or build a bitstream for the file's"
        )

    def run(self, stream: bytes, advance: Callable[[int], None] | None = None) -> bytes:
        """Send one layer's job and return the answer, which ends with DONE or ERROR.

        A job that a reset or damage cuts short begins anew.

        Parameters
        ----------
        stream : bytes
            From BEGIN to END, as ``sw.job.job_stream`` makes it.
        advance : callable, optional
            Told the bytes of the stream that the board took.

        Raises
        ------
        LinkError
            If the board falls silent, or stops in the middle of a job.
        FormatError
            If every answer is damaged.
        """
        word_bytes = self.identity.arch.stream_width // 8
        trial = 1
        while True:
            last = trial == self.tries
            try:
                answer = self._attempt(stream, word_bytes, advance)
                packets = list(read_answers(answer, word_bytes))
                if last or packets[-1].header.opcode != Opcode.ERROR:
                    return answer
            except SessionLostError:
                if last:
                    raise
            except FormatError as error:
                if last:
                    raise FormatError(f"the answer of {self.line.name} is damaged: {error}") from None
            trial += 1
            self.restarts += 1
            self._session.connect()

    def _attempt(self, stream: bytes, word_bytes: int, advance: Callable[[int], None] | None) -> bytes:
        sent, answer, start = 0, bytearray(), 0
        view, moved = memoryview(stream), time.monotonic()
        while True:
            taken, data = self._session.exchange(bytes(view[sent : sent + self._session.room]))
            sent += taken
            answer += data
            if taken and advance is not None:
                advance(taken)
            if taken or data:
                moved = time.monotonic()
            elif time.monotonic() - moved > self.patience:
                raise LinkError(
                    f"the board on {self.line.name} answers, but its core has stopped after {sent} of "
                    f"{len(stream)} bytes; reset the board"
                )
            while len(answer) >= start + PACKET_HEADER_BYTES:
                head = bytes(answer[start : start + PACKET_HEADER_BYTES])
                header = Header.decode(int.from_bytes(head, "little"))
                end = start + answer_bytes(head, word_bytes)
                if len(answer) < end:
                    break
                start = end
                if header.opcode in _LAST:
                    return bytes(answer[:end])
