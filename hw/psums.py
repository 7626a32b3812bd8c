"""Partial sums of one lane and token."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5 import ecp5_merging_sum
from hw.family import Family, family_of
from hw.memory import plain_memory
from hw.pipeline import delay
from spec.arch import ArchConfig

__all__ = ["PsumBank"]


class PsumBank(wiring.Component):
    """Accumulate into one of 2 x B/L rows, or give out a row to the drain.

    Read and write-back are two stages, so the row written by the beat before is not yet in the memory:
    ``forward`` takes the accumulator instead. One beat per cycle; a row written by the beat before the
    last one is read from the memory. Sums are modulo 2^``psum_width``, which no packed layer exceeds.

    Nothing here is chosen by a multiplexer. Of the product and the sum of all lanes one is 0, of the
    accumulator and the row read one is held at 0 by its register's own clear, and both go into the adder,
    whose lookup tables have the inputs for it.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``groups`` and ``psum_width`` (bits).
    product_width, sum_width : int
        Bits of the signed product and of the signed sum; what they have beyond ``psum_width`` is dropped.

    Members
    -------
    product, sum : In(signed)
        Aligned with ``row`` and the flags; one of them is 0, or both are the same.
    row, write, fresh, forward, steal : In
        ``row`` has the bank as its top bit. ``fresh``: neither the row read nor anything stolen counts, as
        the row starts from 0 or is forwarded. ``steal``: give out the row; never together with ``write``.
    captured : Out(signed)
        The stolen row, two cycles after ``steal``, or 0.
    """

    product: Signal
    sum: Signal
    row: Signal
    write: Signal
    fresh: Signal
    forward: Signal
    steal: Signal
    captured: Signal

    def __init__(self, arch: ArchConfig, product_width: int, sum_width: int) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "product": In(signed(product_width)),
                "sum": In(signed(sum_width)),
                "row": In(max((2 * arch.groups - 1).bit_length(), 1)),
                "write": In(1),
                "fresh": In(1),
                "forward": In(1),
                "steal": In(1),
                "captured": Out(signed(arch.psum_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.psum_width
        rows = plain_memory(signed(width), 2 * self.arch.groups, platform, lut_ram=True)
        m.submodules.rows = rows
        write, read = rows.write_port(), rows.read_port(domain="comb")
        fetched, accumulator, own, shared, captured = (
            Signal(signed(width), name=name, reset_less=True)
            for name in ("fetched", "accumulator", "own", "shared", "captured")
        )
        total = Signal(signed(width))
        kept = Mux(self.fresh, 0, read.data)
        if family_of(platform) is Family.ECP5:
            # The lowest bits of both summands, in registers of their own.
            added, held = Signal(reset_less=True), Signal(reset_less=True)
            m.d.sync += added.eq(self.product[0] | self.sum[0])
            m.d.sync += held.eq((self.forward & total[0]) | kept[0])
            lowest = added, held
            m.d.comb += total.eq(ecp5_merging_sum(m, (own, shared), (accumulator, fetched), lowest, "sum"))
        else:
            m.d.comb += total.eq((own | shared) + (accumulator | fetched))
        m.d.comb += [
            read.addr.eq(self.row),
            write.addr.eq(delay(m, self.row, 1, "row")),
            write.en.eq(delay(m, self.write, 1, "write", reset_less=False)),
            write.data.eq(total),
            self.captured.eq(captured),
        ]
        m.d.sync += [
            own.eq(self.product),
            shared.eq(self.sum),
            fetched.eq(kept),
            accumulator.eq(Mux(self.forward, total, 0)),
            captured.eq(Mux(delay(m, self.steal, 1, "steal"), fetched, 0)),
        ]
        return m
