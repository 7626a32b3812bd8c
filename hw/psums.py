"""Partial sums of one lane and token."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5 import ecp5_selecting_sum
from hw.family import Family, family_of
from hw.memory import plain_memory
from hw.pipeline import delay
from spec.arch import ArchConfig

__all__ = ["PsumBank"]


class PsumBank(wiring.Component):
    """Accumulate into one of 2 x B/L rows, or capture a row for the drain.

    Read and write-back are two stages, so the row written by the beat before is not yet in the memory:
    ``forward`` takes the accumulator instead. One beat per cycle; a row written by the beat before the
    last one is read from the memory. Sums are modulo 2^``psum_width``, which no packed layer exceeds.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``groups`` and ``psum_width`` (bits).
    addend_width : int
        Bits of the signed addend; what it has beyond ``psum_width`` is dropped.

    Members
    -------
    addend : In(signed)
        Aligned with ``row`` and the flags.
    row, write, first, forward, steal : In
        ``row`` has the bank as its top bit. ``first``: the row starts from 0. ``steal``: capture the row,
        or 0 with ``first``; never together with ``write``.
    captured : Out(signed)
        The row captured last, one cycle after ``steal``.
    """

    addend: Signal
    row: Signal
    write: Signal
    first: Signal
    forward: Signal
    steal: Signal
    captured: Signal

    def __init__(self, arch: ArchConfig, addend_width: int) -> None:
        self.arch: Final = arch
        self.addend_width: Final = addend_width
        super().__init__(
            {
                "addend": In(signed(addend_width)),
                "row": In(max((2 * arch.groups - 1).bit_length(), 1)),
                "write": In(1),
                "first": In(1),
                "forward": In(1),
                "steal": In(1),
                "captured": Out(signed(arch.psum_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.psum_width
        rows = plain_memory(signed(width), 2 * self.arch.groups)
        m.submodules.rows = rows
        write, read = rows.write_port(), rows.read_port(domain="comb")
        fetched = Signal(signed(width), reset_less=True)
        summand = Signal(signed(width), reset_less=True)
        accumulator = Signal(signed(width), reset_less=True)
        total = Signal(signed(width))
        captured = Signal(signed(width), reset_less=True)
        m.d.comb += [
            read.addr.eq(self.row),
            total.eq(self._sum(m, platform, summand, accumulator, fetched)),
            write.addr.eq(delay(m, self.row, 1, "row")),
            write.en.eq(delay(m, self.write, 1, "write", reset_less=False)),
            write.data.eq(total),
            self.captured.eq(captured),
        ]
        m.d.sync += [fetched.eq(read.data), summand.eq(self.addend), accumulator.eq(total)]
        with m.If(self.steal):
            m.d.sync += captured.eq(read.data)
        # Written so that both become the registers' own clear, not a gate per bit.
        with m.If(self.first):
            m.d.sync += fetched.eq(0)
        with m.If(self.first & self.steal):
            m.d.sync += captured.eq(0)
        return m

    def _sum(
        self, m: Module, platform: object, summand: Signal, accumulator: Signal, fetched: Signal
    ) -> Value:
        """Return the new psum; on ECP5 with the choice inside the carry chain, which saves a level."""
        forward = delay(m, self.forward, 1, "forward")
        if family_of(platform) is Family.ECP5:
            return ecp5_selecting_sum(m, summand, forward, accumulator, fetched, "sum")
        return summand + Mux(forward, accumulator, fetched)
