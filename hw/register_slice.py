"""A stream cut by registers in both directions."""

from typing import Final

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterSlice"]


class RegisterSlice(wiring.Component):
    """Pass a stream on; nothing on one side depends combinationally on the other side.

    Latency ``LATENCY`` cycle; one transfer per cycle. Holds two transfers: the second is what may arrive
    in the cycle in which ``i.ready`` does not yet know that ``o`` has stalled.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.

    Members
    -------
    i, o : In, Out(stream.Signature(shape))
        ``i.ready`` is 0 in the first cycle after reset or ``clear``.
    clear : In(1)
        Forgets everything at the end of the cycle, a transfer of this cycle too.
    """

    LATENCY = 1

    i: stream.Interface
    o: stream.Interface
    clear: Signal

    def __init__(self, shape: ShapeLike) -> None:
        self.shape: Final = shape
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(Value.cast(self.i.payload))
        payload = Signal(width, reset_less=True)
        spare_payload = Signal(width, reset_less=True)
        ready, spare, move, store = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(ready),
            Value.cast(self.o.payload).eq(payload),
            move.eq(~self.o.valid | self.o.ready),
            store.eq(self.i.valid & ready & ~move),
        ]
        with m.If(move):
            m.d.sync += self.o.valid.eq(spare | (self.i.valid & ready))
            m.d.sync += payload.eq(Mux(spare, spare_payload, Value.cast(self.i.payload)))
        # Whether it is stored does not matter: it counts only if it was, and then nothing more is taken.
        with m.If(ready):
            m.d.sync += spare_payload.eq(Value.cast(self.i.payload))
        m.d.sync += [spare.eq(~move & (spare | store)), ready.eq(move | ~(spare | store))]
        with m.If(self.clear):
            m.d.sync += [self.o.valid.eq(0), spare.eq(0), ready.eq(0)]
        return m
