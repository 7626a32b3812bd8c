"""Damage on the way to a board, and what becomes of it: `python -m codesign.link_faults`."""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import numpy as np
from numpy.typing import NDArray

from boards.catalog import find_board
from boards.faulty_line import FaultyLine
from boards.host import Board
from boards.line import SerialLine
from boards.session import Session
from codesign.board_run import run_layer
from codesign.console import progress
from codesign.count_argument import count
from codesign.packed import random_activations
from codesign.pruned import kept_count, store_pruned
from codesign.twins import TWIN_BAUD, start_twin
from spec.arch import ArchConfig
from spec.errors import ConfigError, LinkError
from spec.link import Frame, Kind, encode_frame
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
    refused : int
        Jobs that ended with a ``LinkError``.
    repeats, restarts : int
        Requests sent again, and jobs begun again.
    wrong : list of str
        One sentence per wrong result.
    seconds : float
    """

    faults: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    right: int = 0
    refused: int = 0
    repeats: int = 0
    restarts: int = 0
    wrong: list[str] = field(default_factory=list)
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

    def run(self, faults: int, advance: Callable[[int], None] = lambda count: None) -> Tally:
        """Inject at least ``faults``: noise, hosts that die, and strangers that reset the board."""
        started, before = monotonic(), 0
        while (total := self.tally.faults.total()) < faults:
            advance(total - before)
            before = total
            self._noise()
            self._dead_host()
            self._stranger()
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
        line = _Interrupted(SerialLine(self.port, TWIN_BAUD), after=self._rng.randrange(2, 5))
        self._judge(line)
        self.tally.faults["board reset"] += line.strange

    def _judge(self, line: "SerialLine | FaultyLine | _Interrupted") -> None:
        """Multiply over ``line`` and compare."""
        self.tally.jobs += 1
        try:
            with Board(line, timeout=_TIMEOUT, baud=TWIN_BAUD, seed=self._rng.randrange(1 << 30)) as board:
                done = run_layer(board, self._layer, self._activations)
        except LinkError:
            self.tally.refused += 1
            return
        self.tally.repeats += board.counts.repeats
        self.tally.restarts += board.restarts
        if done.failures:
            self.tally.wrong += done.failures
        else:
            self.tally.right += 1


class _Interrupted:
    """A line on which, after some requests, another host begins a session."""

    def __init__(self, line: SerialLine, *, after: int) -> None:
        self.line: Final = line
        self.name = line.name
        self.strange = 0
        self._left = after

    def send(self, data: bytes) -> None:
        self._left -= 1
        if self._left == 0:
            self.strange += 1
            self.line.send(encode_frame(Frame(0xFFFF, Kind.CONNECT)))
        self.line.send(data)

    def receive(self, seconds: float) -> bytes:
        return self.line.receive(seconds)

    def clear(self) -> None:
        self.line.clear()

    def close(self) -> None:
        self.line.close()


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
