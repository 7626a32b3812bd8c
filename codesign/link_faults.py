"""Damage on the way to a board, and what becomes of it: `python -m codesign.link_faults`."""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Final

import numpy as np
from numpy.typing import NDArray

from boards.catalog import find_board
from boards.faulty_line import FaultyLine
from boards.host import Board
from boards.line import SerialLine
from boards.session import Session
from codesign.board_run import BoardLayer, run_layer
from codesign.console import progress
from codesign.count_argument import count
from codesign.packed import random_activations
from codesign.pruned import kept_count, store_pruned
from codesign.twins import TWIN_BAUD, start_twin
from spec.arch import ArchConfig
from spec.errors import ConfigError, LinkError
from spec.link import Frame, Kind, encode_frame
from spec.packet import ErrorCode
from sw.job import job_stream
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.unpack import PackedLayer, unpack

__all__ = ["Campaign", "Tally"]

_SHAPE: Final = (20, 18)
_TOKENS: Final = 3
_RATE: Final = 0.006
"""Chance of a fault per byte: one in about every third frame."""
_TIMEOUT: Final = 0.03
"""Seconds; a reply that a slow simulation gives later is one more disturbance."""
_ATTEMPTS: Final = 12
"""Of one request, until the board is given up."""


@dataclass
class Tally:
    """What a campaign did and met.

    Parameters
    ----------
    faults : Counter of str
        Injected, by kind.
    jobs : int
        Layers that were multiplied under them.
    right : int
        Jobs whose every output equals PyTorch's, and whose counters are right.
    told : int
        Jobs that cannot be done, of a silent board or of another architecture, and ended in the sentence that
        says so.
    refused : int
        Jobs that could have been done and ended with a ``LinkError``.
    repeats, restarts : int
        Requests sent again, and jobs begun again.
    wrong : list of str
        One sentence per wrong result.
    slowest_seconds : float
        Of the longest job.
    seconds : float
    """

    faults: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    right: int = 0
    told: int = 0
    refused: int = 0
    repeats: int = 0
    restarts: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    seconds: float = 0.0


class Campaign:
    """Faults on one board's line.

    Parameters
    ----------
    port : str
        Of a board with ``arch``.
    arch : ArchConfig
    seed : int
        Of layers, activations and faults.
    """

    def __init__(self, port: str, arch: ArchConfig, seed: int) -> None:
        self.port: Final = port
        self.arch: Final = arch
        self.tally: Final = Tally()
        self._rng = random.Random(seed)
        self._layer, self._activations = _job(arch, seed)
        self._others = [(other, *_job(other, seed)) for other in _other_architectures(arch)]

    def run(self, faults: int, advance: Callable[[int], None] = lambda count: None) -> Tally:
        """Inject at least ``faults``, every kind in turn."""
        started, before = monotonic(), 0
        while (total := self.tally.faults.total()) < faults:
            advance(total - before)
            before = total
            self._noise()
            self._dead_host()
            self._stranger()
            self._silence()
            self._other_architecture()
        self.tally.seconds = monotonic() - started
        return self.tally

    def _noise(self) -> None:
        """Lost, doubled and flipped bytes in both directions."""
        line = FaultyLine(SerialLine(self.port, TWIN_BAUD), rate=_RATE, rng=self._rng)
        try:
            self._judge(line)
        finally:
            self.tally.faults.update({str(kind): count for kind, count in line.injected.items()})
            line.close()

    def _dead_host(self) -> None:
        """A host that leaves in the middle of a frame, and one that comes after it."""
        stream = job_stream(self._layer, self._activations, self.arch)
        line = SerialLine(self.port, TWIN_BAUD)
        session = Session(line, timeout=_TIMEOUT, baud=TWIN_BAUD, seed=self._rng.randrange(1 << 30))
        session.connect()
        sent, last = 0, self._rng.randrange(len(stream))
        while sent < last:
            sent += session.exchange(stream[sent : min(sent + session.room, last)])[0]
        frame = encode_frame(Frame(1, Kind.DATA, sent & 0xFFFF, payload=stream[sent : sent + 64]))
        line.send(frame[: self._rng.randrange(1, len(frame))])
        line.close()
        self.tally.faults["host dies"] += 1
        self._judge(SerialLine(self.port, TWIN_BAUD))

    def _stranger(self) -> None:
        """Another session in the middle of a job, as after a reset of the board."""
        line = _Interrupted(
            SerialLine(self.port, TWIN_BAUD), after=self._rng.randrange(1, 3), event=_Event.STRANGER
        )
        self._judge(line)
        self.tally.faults["board reset"] += line.happened

    def _silence(self) -> None:
        """A board that never answers, or not any more.

        Every job needs a second request with data: a reply is made when its request ends, before outputs are.
        """
        line = _Interrupted(
            SerialLine(self.port, TWIN_BAUD), after=self._rng.randrange(2), event=_Event.SILENCE
        )
        self.tally.faults["board silent"] += 1
        self._expect(
            LinkError, f"nothing answers on {self.port} in {_ATTEMPTS} tries", lambda: self._run(line)
        )

    def _other_architecture(self) -> None:
        """A file for another architecture than the bitstream's, to hosts that look and that do not."""
        other, layer, activations = self._rng.choice(self._others)
        (name,) = (
            name for name in ArchConfig.model_fields if getattr(other, name) != getattr(self.arch, name)
        )

        def look() -> None:
            with self._board(SerialLine(self.port, TWIN_BAUD)) as board:
                board.check(other)

        def send() -> None:
            with self._board(SerialLine(self.port, TWIN_BAUD)) as board:
                run_layer(board, layer, activations, job_stream(layer, activations, other))

        self.tally.faults["other architecture"] += 2
        self._expect(ConfigError, f"`{name}` {getattr(self.arch, name)} instead of", look)
        self._expect(LinkError, ErrorCode.BAD_ARCHITECTURE.name, send)

    def _board(self, line: "SerialLine | FaultyLine | _Interrupted") -> Board:
        seed = self._rng.randrange(1 << 30)
        try:
            return Board(line, timeout=_TIMEOUT, baud=TWIN_BAUD, attempts=_ATTEMPTS, seed=seed)
        except BaseException:
            line.close()
            raise

    def _run(self, line: "SerialLine | FaultyLine | _Interrupted") -> tuple[Board, BoardLayer]:
        with self._board(line) as board:
            return board, run_layer(board, self._layer, self._activations)

    def _expect(self, error: type[Exception], sentence: str, job: Callable[[], object]) -> None:
        """Do what cannot be done; it must end in ``sentence``."""
        with self._timed():
            try:
                job()
            except error as told:
                if sentence in str(told):
                    self.tally.told += 1
                else:
                    self.tally.wrong.append(f"{told} was said where {sentence} was due")
            else:
                self.tally.wrong.append(f"a job was done where {sentence} was due")

    def _judge(self, line: "SerialLine | FaultyLine | _Interrupted") -> None:
        """Multiply over ``line`` and compare."""
        with self._timed():
            try:
                board, done = self._run(line)
            except LinkError:
                self.tally.refused += 1
                return
        self.tally.repeats += board.counts.repeats
        self.tally.restarts += board.restarts
        if done.failures:
            self.tally.wrong += done.failures
        else:
            self.tally.right += 1

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Count a job and its time."""
        self.tally.jobs += 1
        started = monotonic()
        yield
        self.tally.slowest_seconds = max(self.tally.slowest_seconds, monotonic() - started)


class _Event(Enum):
    """What happens on a line after some requests."""

    STRANGER = "another host begins a session"
    SILENCE = "nothing moves any more"


class _Interrupted:
    """A line on which something happens before one of the requests.

    Before the first if ``after`` is 0, else when so many have been sent to a board that answers: the host
    may have asked more than once who is there.
    """

    def __init__(self, line: SerialLine, *, after: int, event: _Event) -> None:
        self.line: Final = line
        self.name = line.name
        self.happened = False
        self._event = event
        self._left = after
        self._answers = False

    def send(self, data: bytes) -> None:
        if not self.happened and self._left == 0:
            self.happened = True
            if self._event is _Event.STRANGER:
                self.line.send(encode_frame(Frame(0xFFFF, Kind.CONNECT)))
        self._left -= self._answers
        if not self._silent:
            self.line.send(data)

    def receive(self, seconds: float) -> bytes:
        data = self.line.receive(seconds)
        self._answers = self._answers or bool(data)
        return b"" if self._silent else data

    def clear(self) -> None:
        self.line.clear()

    def close(self) -> None:
        self.line.close()

    @property
    def _silent(self) -> bool:
        return self.happened and self._event is _Event.SILENCE


def _other_architectures(arch: ArchConfig) -> list[ArchConfig]:
    """Architectures that differ from ``arch`` in one field, and run the same jobs."""
    fields = ("activation_depth", "record_depth", "block_depth", "queue_depth")
    return [ArchConfig(**{**arch.model_dump(), name: 2 * getattr(arch, name)}) for name in fields]


def _job(arch: ArchConfig, seed: int) -> tuple[PackedLayer, NDArray[np.int8]]:
    """A small pruned matrix and activations for it."""
    weight = np.random.default_rng(seed).normal(size=_SHAPE).astype(np.float32)
    options = PruneOptions.default(arch)
    pruned = prune_layer("small", np.abs(weight), kept_count(0.5, weight.size), options)
    layer = unpack(pack([store_pruned("small", weight, pruned).quantize(arch)], arch)).layers[0]
    return layer, random_activations([layer], arch, _TOKENS, seed)["small"]


def _campaign(board: str, faults: int, seed: int) -> Tally:
    arch = find_board(board).identity().arch
    with start_twin(board, once=False) as twin, progress("faults", faults, "faults") as bar:
        return Campaign(twin.port, arch, seed).run(faults, bar)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign on the twin of a board; 1 if any result was wrong or refused, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m codesign.link_faults", description="Inject faults into the line of a simulated board."
    )
    parser.add_argument("--board", default="tang_nano_9k")
    parser.add_argument("--faults", type=count, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        tally = _campaign(options.board, options.faults, options.seed)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({**vars(tally), "faults": dict(sorted(tally.faults.items()))}, indent=2))
    return 1 if tally.wrong or tally.refused else 0


if __name__ == "__main__":
    sys.exit(main())
