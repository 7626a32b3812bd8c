"""UART: bytes on two wires, 8 data bits, no parity, 1 stop bit."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["LEAST_DIVISOR", "UartReceiver", "UartTransmitter"]

LEAST_DIVISOR: Final = 4
"""Clock cycles per bit that leave a cycle on either side of a bit's middle."""
_BITS: Final = 8


class UartReceiver(wiring.Component):
    """Take bytes off a line.

    Latency: a byte comes in the middle of its stop bit. A byte whose stop bit is 0 is dropped.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least ``LEAST_DIVISOR``.

    Members
    -------
    line : In(1)
        Asynchronous; 1 when idle.
    payload : Out(8)
    valid : Out(1)
        For one cycle per byte; nobody can make it wait.
    """

    line: Signal
    payload: Signal
    valid: Signal

    def __init__(self, divisor: int) -> None:
        self.divisor: Final = divisor
        super().__init__({"line": In(1), "payload": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line, timer = Signal(init=1), Signal(range(self.divisor))
        # Start bit, data, stop bit still to be sampled.
        left = Signal(range(_BITS + 3))
        bits = Signal(_BITS, reset_less=True)
        m.submodules.synchronizer = FFSynchronizer(self.line, line, init=1)
        m.d.comb += self.payload.eq(bits)
        m.d.sync += self.valid.eq(0)
        with m.If(left == 0):
            with m.If(~line):
                m.d.sync += [left.eq(_BITS + 2), timer.eq(self.divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += self.valid.eq(line)
            with m.Elif((left == _BITS + 2) & line):
                # A spike, no start bit.
                m.d.sync += left.eq(0)
            with m.Else():
                m.d.sync += bits.eq(Cat(bits[1:], line))
        return m


class UartTransmitter(wiring.Component):
    """Put bytes on a line.

    A byte takes 10 times ``divisor`` cycles, and its start bit begins in the cycle after it is taken.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least ``LEAST_DIVISOR``.

    Members
    -------
    i : In(stream.Signature(8))
    line : Out(1)
        1 when idle.
    """

    i: stream.Interface
    line: Signal

    def __init__(self, divisor: int) -> None:
        self.divisor: Final = divisor
        super().__init__({"i": In(stream.Signature(8)), "line": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer, left = Signal(range(self.divisor)), Signal(range(_BITS + 2))
        bits = Signal(_BITS + 1, reset_less=True)
        # The line is kept inverted, so that it idles from the start.
        low = Signal()
        m.d.comb += [self.line.eq(~low), self.i.ready.eq((left == 0) & (timer == 0))]
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(left != 0):
            m.d.sync += [low.eq(~bits[0]), bits.eq(Cat(bits[1:], Const(1, 1)))]
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [low.eq(1), bits.eq(Cat(self.i.payload, Const(1, 1)))]
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(_BITS + 1)]
        return m
