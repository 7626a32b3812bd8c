"""Drain: psums of finished blocks out of the array, a row at a time."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import beat_shape, closed_shape
from spec.arch import ArchConfig

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Steal every row of a closed block, one every ``arch.row_cycles`` cycles.

    The columns of a drain tree give a row out one after the other.

    A block takes ``arch.drain_cycles`` cycles without a pause, and starts only when the output buffer has a
    free half, so nothing downstream can hold it up. Banks close alternately, so the order is known.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``groups`` and ``row_cycles``.

    Members
    -------
    i : In(stream.Signature(closed_shape(arch)))
        Closed blocks; one is taken when its drain starts.
    room : In(1)
        The output buffer has a free half.
    steal, steal_row, steal_bank, release : Out
        To the beat issuer.
    held : Out(1)
        A block waits for room.
    valid : Out(1)
        ``row_cycles`` cycles from each steal on; to be delayed to where the psums have left the columns.
    """

    i: stream.Interface
    room: Signal
    steal: Signal
    steal_row: Signal
    steal_bank: Signal
    release: Signal
    held: Signal
    valid: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "i": In(stream.Signature(closed_shape(arch))),
                "room": In(1),
                "steal": Out(1),
                "steal_row": Out(beat_shape(arch)["row"].shape),
                "steal_bank": Out(1),
                "release": Out(1),
                "held": Out(1),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        next_bank = Signal()
        row = Signal(range(max(arch.groups, 2)))
        token = Signal(range(max(arch.row_cycles, 2)))
        last_row, first_token, last_token = Signal(), Signal(), Signal()
        m.d.comb += [
            first_token.eq(token == 0),
            last_row.eq(row == arch.groups - 1),
            last_token.eq(token == arch.row_cycles - 1),
        ]
        m.d.sync += [self.steal.eq(0), self.release.eq(0), self.valid.eq(0)]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += [self.i.ready.eq(self.room), self.held.eq(self.i.valid & ~self.room)]
                # Set until the drain starts: whether it does comes from far.
                m.d.sync += [row.eq(0), self.steal_bank.eq(next_bank)]
                with m.If(self.i.valid & self.room):
                    m.next = "rows"
            with m.State("rows"):
                m.d.sync += [
                    self.valid.eq(1),
                    self.steal.eq(first_token),
                    self.steal_row.eq(row),
                    self.release.eq(first_token & last_row),
                    token.eq(Mux(last_token, 0, token + 1)),
                ]
                with m.If(last_token):
                    m.d.sync += row.eq(row + 1)
                    with m.If(last_row):
                        m.d.sync += next_bank.eq(~next_bank)
                        m.next = "idle"
        return m
