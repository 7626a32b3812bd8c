"""The CRC of the byte link, a byte per cycle."""

import binascii
from typing import Final

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spec.link import CRC_START

__all__ = ["FrameChecksum"]

_WIDTH: Final = 16


class FrameChecksum(wiring.Component):
    """CRC-16 CCITT of bytes.

    The CRC is linear: every bit of the next value is the parity of some bits of value and byte.

    Members
    -------
    clear : In(1)
        Start anew from the next cycle on.
    payload, valid : In
        The next byte.
    value : Out(16)
        Of the bytes up to the cycle before.
    """

    clear: Signal
    payload: Signal
    valid: Signal
    value: Signal

    def __init__(self) -> None:
        super().__init__({"clear": In(1), "payload": In(8), "valid": In(1), "value": Out(_WIDTH)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs = Cat(self.value, self.payload)
        reached = [binascii.crc_hqx(b"\0", 1 << bit) for bit in range(_WIDTH)]
        reached += [binascii.crc_hqx(bytes([1 << bit]), 0) for bit in range(8)]
        step = Cat(
            Cat(inputs[bit] for bit, targets in enumerate(reached) if targets >> n & 1).xor()
            for n in range(_WIDTH)
        )
        with m.If(self.clear):
            m.d.sync += self.value.eq(CRC_START)
        with m.Elif(self.valid):
            m.d.sync += self.value.eq(step)
        return m
