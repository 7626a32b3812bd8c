"""What every board holds between its pads: UART, byte link, accelerator, and the state of all three."""

from typing import Final

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.link_input import LinkInput
from boards.link_output import LinkOutput
from boards.uart import UartReceiver, UartTransmitter
from hw.accelerator import Accelerator
from hw.byte_bridge import ByteNarrower, ByteWidener
from hw.emit import emit_component, emit_verilog
from hw.family import Family
from hw.instance import place
from spec.link import Identity

__all__ = ["BoardCore", "emit_board"]


class BoardCore(wiring.Component):
    """The accelerator on a serial line.

    Parameters
    ----------
    identity : Identity
        What it answers to CONNECT; its architecture and the depths of its queues are what is built.
    divisor : int
        Clock cycles per bit of the line.

    Members
    -------
    rx : In(1)
        Line from the host, asynchronous.
    tx : Out(1)
        Line to the host.
    connected : Out(1)
        A host has begun a session.
    working : Out(1)
        Bytes wait for the core or for the host, or a line is busy.
    offered, accepts, gives, clears : Out(1)
        For the twin, which notes when words move; a board leaves them open. A word is offered to the core; it
        would take one; one of its answer is taken; it is in reset.
    """

    MODULE = "mixvec_board"
    """Name of the Verilog module."""
    RESET_CYCLES = 15
    """Cycles for which a new session holds the core in reset, and in which it gets no byte."""

    rx: Signal
    tx: Signal
    connected: Signal
    working: Signal
    offered: Signal
    accepts: Signal
    gives: Signal
    clears: Signal

    def __init__(self, identity: Identity, divisor: int) -> None:
        self.identity: Final = identity
        self.divisor: Final = divisor
        told = ("tx", "connected", "working", "offered", "accepts", "gives", "clears")
        super().__init__({"rx": In(1)} | {name: Out(1) for name in told})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        identity = self.identity
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.link_input = requests = LinkInput(identity.room_in)
        m.submodules.link_output = replies = LinkOutput(identity.room_out, identity)
        wiring.connect(m, replies.o, transmitter.i)
        m.d.comb += [
            receiver.line.eq(self.rx),
            requests.line.eq(receiver.payload),
            requests.line_valid.eq(receiver.valid),
            requests.busy.eq(replies.busy),
            self.tx.eq(transmitter.line),
        ]
        for name in ("request", "kind", "taken", "room", "session", "connect", "expected", "space"):
            m.d.comb += getattr(replies, name).eq(getattr(requests, name))
        m.d.sync += [
            self.connected.eq(requests.session != 0),
            self.working.eq(replies.busy | requests.o.valid | replies.i.valid | ~receiver.line),
        ]
        self._core(m, requests, replies)
        return m

    def _core(self, m: Module, requests: LinkInput, replies: LinkOutput) -> None:
        """Put the accelerator between the link's two streams, in a reset of its own."""
        arch = self.identity.arch
        wait = Signal(range(2 * self.RESET_CYCLES + 1), init=2 * self.RESET_CYCLES)
        reset, quiet = Signal(init=1), Signal(init=1)
        # Not every register of the core need leave its reset at once, so for a while it gets nothing.
        m.d.sync += [reset.eq(wait > self.RESET_CYCLES), quiet.eq(wait != 0)]
        with m.If(requests.connect):
            m.d.sync += [wait.eq(2 * self.RESET_CYCLES), reset.eq(1), quiet.eq(1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)

        m.domains.core = ClockDomain("core", local=True)
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(reset | ResetSignal())]
        rename = DomainRenamer("core")
        widener, narrower = ByteWidener(arch.stream_width), ByteNarrower(arch.stream_width)
        m.submodules.widener, m.submodules.narrower = rename(widener), rename(narrower)
        instance, accelerator = place(Accelerator.MODULE, "accelerator", Accelerator.members(arch))
        m.submodules.accelerator = rename(instance)
        m.d.comb += [
            widener.i.payload.eq(requests.o.payload),
            widener.i.valid.eq(requests.o.valid & ~quiet),
            requests.o.ready.eq(widener.i.ready & ~quiet),
            replies.i.payload.eq(narrower.o.payload),
            replies.i.valid.eq(narrower.o.valid & ~quiet),
            narrower.o.ready.eq(replies.i.ready & ~quiet),
        ]
        m.d.comb += [
            Cat(accelerator.i.payload, accelerator.i.valid).eq(Cat(widener.o.payload, widener.o.valid)),
            widener.o.ready.eq(accelerator.i.ready),
            Cat(narrower.i.payload, narrower.i.valid).eq(Cat(accelerator.o.payload, accelerator.o.valid)),
            accelerator.o.ready.eq(narrower.i.ready),
        ]
        m.d.comb += [
            self.offered.eq(accelerator.i.valid),
            self.accepts.eq(accelerator.i.ready),
            self.gives.eq(accelerator.o.valid & accelerator.o.ready),
            self.clears.eq(ResetSignal("core")),
        ]


def emit_board(identity: Identity, divisor: int, family: Family = Family.GENERIC) -> str:
    """Return the whole board between its pads as Verilog, the top last."""
    top = emit_component(BoardCore(identity, divisor), BoardCore.MODULE, family)
    return emit_verilog(identity.arch, family=family) + "\n" + top
