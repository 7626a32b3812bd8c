"""What the core says of any stream of words, sound or not: its errors, and the layers that it ends.

Written from the rules in ``spec.packet``, word by word, since a damaged stream has no packets that
``read_packets`` could tell apart. Shares no code with the decoders.
"""

import zlib
from dataclasses import dataclass, field
from typing import Final

from spec.arch import ArchConfig
from spec.outputs import MODE
from spec.packet import (
    HOST_ONLY,
    ErrorCode,
    Header,
    Opcode,
    descriptor_layout,
    framing_words,
    length_limit,
    opcodes_of,
)

__all__ = ["Receipt", "Receiver", "ToldError", "ToldJob"]

_WEIGHTS: Final = (Opcode.BLOCKS, Opcode.RECORDS, Opcode.VALUES)
_NO_OPCODE: Final = 0
"""At fault when words belong to no packet."""


@dataclass(frozen=True)
class ToldError:
    """An ERROR that the core must send.

    Parameters
    ----------
    code : ErrorCode
    opcode : int
        Of the packet at fault, 0 if there is none.
    tags : tuple of int
        What its tag may be: that of the layer under way. NO_END is told while one layer gives way to the
        next, so a full output stream decides which of the two it names.
    """

    code: ErrorCode
    opcode: int
    tags: tuple[int, ...]


@dataclass(frozen=True)
class ToldJob:
    """A job that the core must finish.

    Parameters
    ----------
    layer : int
        Number of the sound BEGIN before it.
    tag : int
    mode : dict of str to int
        Fields of ``spec.outputs.MODE``; on a core without an output stage all but ``horizontal`` are 0.
    blocks : dict of (int, int) to dict of str to int
        By cluster and part, the fields of its block descriptor.
    """

    layer: int
    tag: int
    mode: dict[str, int]
    blocks: dict[tuple[int, int], dict[str, int]]


@dataclass(frozen=True)
class Receipt:
    """What the core must answer, but for the content of outputs.

    Errors and DONEs are each in order; an error may overtake the DONE of a layer whose outputs still leave.

    Parameters
    ----------
    errors : list of ToldError
    done : list of int
        Tags of the layers that END ends.
    jobs : list of ToldJob
        What each sound ACTIVATIONS packet starts.
    """

    errors: list[ToldError] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    jobs: list[ToldJob] = field(default_factory=list)


class Receiver:
    """A core from its reset on, as far as packets go.

    Parameters
    ----------
    arch : ArchConfig
    """

    def __init__(self, arch: ArchConfig) -> None:
        self.receipt: Final = Receipt()
        """What has been told so far."""
        self._size = arch.stream_width // 8
        self._head_bytes = arch.header_words * self._size
        self._layer = _Layer(arch)
        self._after_sync = False
        # Words of a header that is not complete, and the header of the packet under way.
        self._head = b""
        self._header: Header | None = None
        self._body = bytearray()
        # Between an error and the next sound BEGIN nothing more is told, and nothing but a BEGIN is read.
        self._lost = False

    def receive(self, stream: bytes) -> None:
        """Go on by whole words of any content.

        Parameters
        ----------
        stream : bytes
            A multiple of ``stream_width / 8`` of them.
        """
        sync, stuff = framing_words(self._size)
        for at in range(0, len(stream), self._size):
            word = stream[at : at + self._size]
            if word == sync:
                self._after_sync = True
                continue
            if self._after_sync and word == stuff:
                self._take(sync)
            elif self._after_sync:
                self._open(word)
            else:
                self._take(word)
            self._after_sync = False

    def _take(self, word: bytes) -> None:
        """A word of the packet under way, or of none."""
        if self._head:
            self._complete(word)
        elif self._header is None:
            self._tell(ErrorCode.NO_SYNC, _NO_OPCODE)
        elif len(self._body) == self._head_bytes + self._header.length * self._size:
            self._close(self._header, word)
        else:
            self._body += word

    def _open(self, word: bytes) -> None:
        """Begin a packet; one that is under way is cut off."""
        if self._header is not None:
            self._tell(ErrorCode.TRUNCATED, self._header.opcode)
        elif self._head:
            self._tell(ErrorCode.TRUNCATED, self._head[0])
        self._head, self._header = b"", None
        self._complete(word)

    def _complete(self, word: bytes) -> None:
        """Go on with a header, and judge the packet by it once it is complete."""
        self._head += word
        if len(self._head) < self._head_bytes:
            return
        head, self._head = self._head, b""
        header = Header.decode(int.from_bytes(head[:8], "little"))
        begins = header.opcode == Opcode.BEGIN
        if self._lost and not begins:
            return
        problem = self._layer.problem(header)
        if problem is not None:
            self._tell(problem, header.opcode)
            return
        if begins and self._layer.begun and not self._lost:
            tags = self._layer.tag, header.tag
            self.receipt.errors.append(ToldError(ErrorCode.NO_END, header.opcode, tags))
        self._header, self._body = header, bytearray(head)

    def _close(self, header: Header, crc: bytes) -> None:
        """Compare the CRC; a sound packet counts."""
        self._header = None
        if zlib.crc32(self._body) != int.from_bytes(crc, "little"):
            self._tell(ErrorCode.BAD_CRC, header.opcode)
            return
        if header.opcode == Opcode.BEGIN:
            self._lost = False
        if header.opcode == Opcode.END:
            self.receipt.done.append(self._layer.tag)
        self._layer.step(header, bytes(self._body[self._head_bytes :]))
        if header.opcode == Opcode.ACTIVATIONS:
            self.receipt.jobs.append(self._layer.job())

    def _tell(self, code: ErrorCode, opcode: int) -> None:
        if not self._lost:
            self.receipt.errors.append(ToldError(code, opcode, (self._layer.tag,)))
        self._lost = True


class _Layer:
    """What a layer has been sent so far, which says what may come next."""

    def __init__(self, arch: ArchConfig) -> None:
        self._arch = arch
        self._known = [opcode for opcode in opcodes_of(arch) if opcode < HOST_ONLY]
        self.begun = False
        self.tag = 0
        self._mode = MODE.decode(0)
        self._wanted: set[int] = set()
        self._settled = True
        self._loading = False
        self._blocks = 0
        self._number = 0
        self._seen: set[int] = set()
        self._parts: dict[tuple[int, int], dict[str, int]] = {}

    def problem(self, header: Header) -> ErrorCode | None:
        """Return the first rule that a header breaks."""
        opcode = header.opcode
        if HOST_ONLY <= opcode < 0x80:
            return None
        if opcode not in self._known:
            return ErrorCode.BAD_OPCODE
        if opcode == Opcode.BEGIN and header.argument != self._arch.fingerprint:
            return ErrorCode.BAD_ARCHITECTURE
        if opcode in _WEIGHTS and header.cluster >= self._arch.clusters:
            return ErrorCode.BAD_CLUSTER
        if header.length > length_limit(opcode, self._arch):
            return ErrorCode.TOO_LONG
        return None if self._may_come(header) else ErrorCode.BAD_SEQUENCE

    def _may_come(self, header: Header) -> bool:
        match header.opcode:
            case Opcode.BEGIN:
                return True
            case Opcode.END:
                return self.begun
            case Opcode.PASS:
                return self.begun and not self._wanted
            case Opcode.REQUANTIZE:
                return self.begun and not self._settled and bool(self._mode["requantize"])
            case Opcode.TABLE:
                return (
                    self.begun and not self._settled and bool(self._mode["requantize"] & self._mode["table"])
                )
            case Opcode.BLOCKS:
                return self._loading and header.cluster not in self._seen
            case Opcode.ACTIVATIONS:
                return self.begun and self._blocks > 0
            case _:
                return self._loading

    def job(self) -> ToldJob:
        """Return the job that starts now."""
        return ToldJob(self._number, self.tag, dict(self._mode), dict(self._parts))

    def step(self, header: Header, payload: bytes) -> None:
        """Take a sound packet."""
        match header.opcode:
            case Opcode.BEGIN:
                self._begin(header)
            case Opcode.END:
                self.begun, self._loading, self._blocks = False, False, 0
            case Opcode.PASS:
                self._settled, self._loading, self._blocks = True, True, 0
                self._seen.clear()
                self._parts = {}
            case Opcode.BLOCKS:
                self._blocks += header.length
                self._seen.add(header.cluster)
                size, layout = self._arch.stream_width // 8, descriptor_layout(self._arch)
                for part in range(header.length):
                    word = int.from_bytes(payload[part * size : (part + 1) * size], "little")
                    self._parts[header.cluster, part] = layout.decode(word & ((1 << layout.width) - 1))
            case Opcode.ACTIVATIONS:
                self._loading = False
            case _:
                self._wanted.discard(header.opcode)

    def _begin(self, header: Header) -> None:
        self.begun, self.tag, self._loading, self._blocks = True, header.tag, False, 0
        self._number += 1
        if not self._arch.output_blocks:
            return
        self._mode = MODE.decode(header.cluster & ((1 << MODE.width) - 1))
        self._settled, self._wanted = False, set()
        if self._mode["requantize"]:
            self._wanted = {Opcode.REQUANTIZE} | ({Opcode.TABLE} if self._mode["table"] else set())
