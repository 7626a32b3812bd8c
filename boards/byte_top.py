"""The accelerator on an eight-bit link: what fits any package and any byte-wide host interface."""

from typing import Final

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.accelerator import Accelerator
from hw.byte_bridge import ByteNarrower, ByteWidener
from hw.emit import emit_component, emit_verilog
from hw.family import Family, family_of
from hw.instance import place
from hw.pipeline import delay
from hw.register_slice import RegisterSlice
from spec.arch import ArchConfig

__all__ = ["ByteTop", "emit_byte_top"]


class ByteTop(wiring.Component):
    """Accelerator between a widener and a narrower.

    On ECP5 ``rst`` goes to the device's own reset network, which reaches every register without a route
    through the fabric; elsewhere it passes through registers.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    i, o : In, Out(stream.Signature(8))
        The accelerator's streams, lowest byte first.
    """

    MODULE = "mixvec_bytes"
    """Name of the Verilog module."""
    RESET_LATENCY = 2
    """Cycles from `rst` to the reset of everything inside."""
    QUIET_CYCLES = 16
    """Cycles after a reset in which no byte is taken: not every register need leave it at once."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.arch.stream_width
        reset = self._reset(m, platform)
        m.domains.core = ClockDomain("core")
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(reset)]
        rename = DomainRenamer("core")
        widener, narrower = ByteWidener(width), ByteNarrower(width)
        m.submodules.widener, m.submodules.narrower = rename(widener), rename(narrower)
        m.submodules.accelerator, accelerator = place(
            Accelerator.MODULE, "accelerator", Accelerator.members(self.arch), reset
        )
        wait, quiet = Signal(range(self.QUIET_CYCLES + 1), init=self.QUIET_CYCLES), Signal(init=1)
        m.d.core += quiet.eq(wait != 0)
        with m.If(wait != 0):
            m.d.core += wait.eq(wait - 1)
        # Pins lie far from everything: registers between, or a handshake travels there and back in a cycle.
        m.submodules.arriving, m.submodules.leaving = arriving, leaving = (
            rename(RegisterSlice(8)),
            rename(RegisterSlice(8)),
        )
        wiring.connect(m, wiring.flipped(self.i), arriving.i)
        wiring.connect(m, arriving.o, widener.i)
        wiring.connect(m, narrower.o, leaving.i)
        wiring.connect(m, leaving.o, wiring.flipped(self.o))
        m.d.comb += [
            arriving.clear.eq(quiet),
            accelerator.i.payload.eq(widener.o.payload),
            accelerator.i.valid.eq(widener.o.valid),
            widener.o.ready.eq(accelerator.i.ready),
            narrower.i.payload.eq(accelerator.o.payload),
            narrower.i.valid.eq(accelerator.o.valid),
            accelerator.o.ready.eq(narrower.i.ready),
        ]
        return m

    def _reset(self, m: Module, platform: object) -> Value:
        """Return the reset of everything inside, of which there is none on ECP5."""
        if family_of(platform) is Family.ECP5:
            m.submodules.global_reset = Instance("SGSR", i_CLK=ClockSignal(), i_GSR=~ResetSignal())
            return Const(0, 1)
        # It comes from a pin and goes everywhere: registers that can lie where it is needed.
        return delay(m, ResetSignal(), self.RESET_LATENCY, "reset")


def emit_byte_top(arch: ArchConfig, family: Family) -> str:
    """Return the accelerator and its byte-wide top as Verilog, the top last."""
    return emit_verilog(arch, family=family) + "\n" + emit_component(ByteTop(arch), ByteTop.MODULE, family)
