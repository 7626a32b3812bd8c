"""Stream contract: what is offered stays until it is taken."""

from amaranth.hdl import Module, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out

__all__ = ["StreamContract"]


class StreamContract(wiring.Component):
    """Watch one stream. Assert ``kept`` of a component's output, assume it of its input.

    Parameters
    ----------
    watched : stream.Interface
        Read, never driven.
    clear : ValueLike
        In the cycle after it an offer may be gone.

    Members
    -------
    kept : Out(1)
        A word that waited in the cycle before is still there, and is the same.
    moved : Out(1)
        A word is taken in this cycle.
    waits : Out(1)
        A word is offered and not taken in this cycle.
    """

    kept: Signal
    moved: Signal
    waits: Signal

    def __init__(self, watched: stream.Interface, clear: ValueLike = 0) -> None:
        self.watched = watched
        self.clear = Value.cast(clear)
        super().__init__({"kept": Out(1), "moved": Out(1), "waits": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        payload = Value.cast(self.watched.payload)
        waited, offered = Signal(), Signal(len(payload))
        m.d.sync += [waited.eq(self.waits & ~self.clear), offered.eq(payload)]
        m.d.comb += [
            self.moved.eq(self.watched.valid & self.watched.ready),
            self.waits.eq(self.watched.valid & ~self.watched.ready),
            self.kept.eq(~waited | (self.watched.valid & (payload == offered))),
        ]
        return m
