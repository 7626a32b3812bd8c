"""A line that loses, doubles and changes bytes on purpose."""

import random
from collections import Counter
from enum import StrEnum
from typing import Final

from boards.line import Line

__all__ = ["Fault", "FaultyLine"]


class Fault(StrEnum):
    """What happens to a byte."""

    LOST = "lost"
    DOUBLED = "doubled"
    FLIPPED = "flipped"


class FaultyLine:
    """Pass bytes on, some of them damaged, in both directions.

    Parameters
    ----------
    line : Line
    rate : float
        Chance of a fault per byte.
    rng : random.Random
    faults : tuple of Fault
        Kinds, equally likely.

    Attributes
    ----------
    injected : Counter of Fault
    """

    def __init__(
        self, line: Line, *, rate: float, rng: random.Random, faults: tuple[Fault, ...] = tuple(Fault)
    ) -> None:
        self.line: Final = line
        self.name = line.name
        self.rate: Final = rate
        self.faults: Final = faults
        self.injected: Final[Counter[Fault]] = Counter()
        self._rng = rng

    def send(self, data: bytes) -> None:
        self.line.send(self._damage(data))

    def receive(self, seconds: float) -> bytes:
        return self._damage(self.line.receive(seconds))

    def clear(self) -> None:
        self.line.clear()

    def close(self) -> None:
        self.line.close()

    def _damage(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._rng.random() >= self.rate:
                out.append(byte)
                continue
            fault = self._rng.choice(self.faults)
            self.injected[fault] += 1
            if fault is Fault.DOUBLED:
                out += bytes([byte, byte])
            elif fault is Fault.FLIPPED:
                out.append(byte ^ 1 << self._rng.randrange(8))
        return bytes(out)
