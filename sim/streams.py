"""Source and sink of ``valid``/``ready``/``payload`` streams for component testbenches."""

import random
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, RisingEdge

__all__ = ["StreamSink", "StreamSource", "start"]

_CLOCK_NS: Final = 10
_RESET_CYCLES: Final = 3


async def start(dut: Any) -> None:
    """Start the clock ``clk`` and hold ``rst`` for three cycles.

    Sources and sinks made before stay quiet until the reset is over.
    """
    dut.rst.value = 1
    Clock(dut.clk, _CLOCK_NS, "ns", impl="gpi").start()
    await ClockCycles(dut.clk, _RESET_CYCLES)
    dut.rst.value = 0


class StreamSource:
    """Drive an input stream of the design; at most one word per cycle.

    A word once offered stays until it is taken, as streams require.

    Parameters
    ----------
    dut : cocotb handle
        Has ``clk``, ``rst`` and the ports ``{name}__payload``, ``{name}__valid``, ``{name}__ready``.
    name : str
    stall : float
        Chance to pause before a word, drawn every cycle.
    rng : random.Random, optional
        Of the pauses.
    """

    def __init__(self, dut: Any, name: str, *, stall: float = 0.0, rng: random.Random | None = None) -> None:
        self.name = name
        self.stall = stall
        self.rng = rng or random.Random(name)
        self._payload, self._valid, self._ready = _ports(dut, name)
        self._words: deque[int] = deque()
        self._payload.value = 0
        self._valid.value = 0
        cocotb.start_soon(self._drive(dut.clk, dut.rst))

    def send(self, words: Iterable[int]) -> None:
        """Queue words behind those already queued; returns at once."""
        self._words.extend(words)

    @property
    def pending(self) -> int:
        """Words queued and not yet offered."""
        return len(self._words)

    async def _drive(self, clk: Any, rst: Any) -> None:
        offering = False
        while True:
            await RisingEdge(clk)
            if rst.value == 1:
                continue
            if offering and self._ready.value != 1:
                continue
            pause = self.stall > 0 and self.rng.random() < self.stall
            if self._words and not pause:
                self._payload.value = self._words.popleft()
                if not offering:
                    self._valid.value = 1
                offering = True
            elif offering:
                self._valid.value = 0
                offering = False


class StreamSink:
    """Take the words of an output stream of the design, and check that it keeps the rules.

    Parameters
    ----------
    dut : cocotb handle
        Has ``clk``, ``rst`` and the ports ``{name}__payload``, ``{name}__valid``, ``{name}__ready``.
    name : str
    stall : float
        Chance to refuse, drawn every cycle.
    lazy : bool
        Be ready for a word only after it was offered, which streams allow.
    rng : random.Random, optional
        Of the refusals.

    Raises
    ------
    AssertionError
        In the running test, if an offered word is withdrawn or changed before it is taken.
    """

    def __init__(
        self,
        dut: Any,
        name: str,
        *,
        stall: float = 0.0,
        lazy: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.stall = stall
        self.lazy = lazy
        self.rng = rng or random.Random(name)
        self._payload, self._valid, self._ready = _ports(dut, name)
        self._words: Queue[int] = Queue()
        self._ready.value = 0
        cocotb.start_soon(self._collect(dut.clk, dut.rst))

    async def receive(self) -> int:
        """Return the next word, waiting for it if need be."""
        return await self._words.get()

    @property
    def received(self) -> int:
        """Words taken from the design that :meth:`receive` has not yet handed out."""
        return self._words.qsize()

    async def _collect(self, clk: Any, rst: Any) -> None:
        ready = False
        refused: int | None = None
        while True:
            await RisingEdge(clk)
            if rst.value == 1:
                continue
            word = int(self._payload.value) if self._valid.value == 1 else None
            if refused is not None and word != refused:
                seen = "withdrawn" if word is None else f"changed to {word:#x}"
                raise AssertionError(
                    f"stream `{self.name}`: word {refused:#x} was {seen} before it was taken"
                )
            if ready and word is not None:
                self._words.put_nowait(word)
            refused = None if ready else word
            wanted = self.stall <= 0 or self.rng.random() >= self.stall
            if self.lazy:
                wanted = wanted and refused is not None
            if wanted != ready:
                self._ready.value = int(wanted)
                ready = wanted


def _ports(dut: Any, name: str) -> tuple[Any, Any, Any]:
    return getattr(dut, f"{name}__payload"), getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
