"""The registers of ``spec.registers`` as signal shapes, and how a bus reaches them."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from spec.registers import CONTROL, COUNTER_WIDTH, EVENTS, LEVELS, STATUS, Register

__all__ = [
    "ACCESS_ADDRESS_WIDTH",
    "access_signature",
    "answer_shape",
    "control_shape",
    "counts_shape",
    "levels_shape",
    "status_shape",
]

ACCESS_ADDRESS_WIDTH = 7
"""Bits of a word address: registers, and a window as large behind them."""


def _fields(register: Register) -> data.StructLayout:
    return data.StructLayout({field.name: field.width for field in register.fields})


def status_shape() -> data.StructLayout:
    """``spec.registers.STATUS``."""
    return _fields(STATUS)


def control_shape() -> data.StructLayout:
    """``spec.registers.CONTROL``."""
    return _fields(CONTROL)


def levels_shape() -> data.StructLayout:
    """``spec.registers.LEVELS``."""
    return _fields(LEVELS)


def counts_shape() -> data.ArrayLayout:
    """One number per event of ``spec.registers.EVENTS``."""
    return data.ArrayLayout(COUNTER_WIDTH, len(EVENTS))


def answer_shape(stream_width: int) -> data.StructLayout:
    """A word of an answer; ``last`` ends what the host takes as one transfer."""
    return data.StructLayout({"word": stream_width, "last": 1})


def access_signature() -> wiring.Signature:
    """One read and one write port to 32-bit words, answered in the same cycle.

    ``read`` and ``write`` are pulses: reading and writing may have effects. ``read_known`` and
    ``write_known`` say whether there is a register that may be read or written.
    """
    return wiring.Signature(
        {
            "read": Out(1),
            "read_address": Out(ACCESS_ADDRESS_WIDTH),
            "read_data": In(32),
            "read_known": In(1),
            "write": Out(1),
            "write_address": Out(ACCESS_ADDRESS_WIDTH),
            "write_data": Out(32),
            "write_bytes": Out(4),
            "write_known": In(1),
        }
    )
