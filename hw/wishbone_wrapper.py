"""The accelerator with a Wishbone port: registers and a window to the streams."""

from typing import Any, Final

from amaranth.hdl import ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.core_shell import CoreShell
from hw.register_bank import RegisterBank
from hw.register_shapes import ACCESS_ADDRESS_WIDTH
from hw.stream_window import StreamWindow
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.registers import WINDOW_OFFSET

__all__ = ["WishboneWrapper"]


class WishboneWrapper(wiring.Component):
    """Wishbone B4 slave, classic cycles, 32-bit data; every output is a register.

    An access takes two cycles, whatever it is: the window refuses rather than waits, so a processor
    that has to read before it can write again is never stuck. ``wb_err_o`` answers instead of
    ``wb_ack_o`` where there is no register, none to write, no place or no word in the window, or where a
    window write has less than four bytes.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    wb_clk_i, wb_rst_i : In(1)
        Rising edge; synchronous, active high.
    wb_cyc_i, wb_stb_i, wb_we_i, wb_adr_i, wb_dat_i, wb_sel_i : In
        ``wb_adr_i`` counts words of 32 bits: registers of ``spec.registers``, then the window.
    wb_dat_o, wb_ack_o, wb_err_o : Out
    irq_o : Out(1)
        Level: an answer waits in the window and ``interrupt`` is set in the control register.
    """

    MODULE = "mixvec_wishbone"
    """Name of the Verilog module."""

    wb_clk_i: Signal
    wb_rst_i: Signal
    wb_cyc_i: Signal
    wb_stb_i: Signal
    wb_we_i: Signal
    wb_adr_i: Signal
    wb_dat_i: Signal
    wb_sel_i: Signal
    wb_dat_o: Signal
    wb_ack_o: Signal
    wb_err_o: Signal
    irq_o: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(self.members(arch))

    @staticmethod
    def members(arch: ArchConfig) -> dict[str, wiring.Member]:
        """Ports, for whoever describes the module; they are the same for every architecture."""
        return {
            "wb_clk_i": In(1),
            "wb_rst_i": In(1),
            "wb_cyc_i": In(1),
            "wb_stb_i": In(1),
            "wb_we_i": In(1),
            "wb_adr_i": In(ACCESS_ADDRESS_WIDTH),
            "wb_dat_i": In(32),
            "wb_sel_i": In(4),
            "wb_dat_o": Out(32),
            "wb_ack_o": Out(1),
            "wb_err_o": Out(1),
            "irq_o": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", local=True)
        m.d.comb += [ClockSignal().eq(self.wb_clk_i), ResetSignal().eq(self.wb_rst_i)]
        m.submodules.shell = shell = CoreShell(self.arch)
        m.submodules.window = window = StreamWindow(self.arch)
        m.submodules.bank = bank = RegisterBank(self.arch, Bus.WISHBONE, StreamWindow.DEPTH)
        wiring.connect(m, window.o, shell.i)
        wiring.connect(m, shell.o, window.i)
        write_refused, read_refused = self._access(m, bank, window)
        with m.If(shell.held):
            m.d.sync += [write_refused.eq(0), read_refused.eq(0)]
        m.d.comb += [
            window.clear.eq(shell.held),
            shell.control.eq(bank.control),
            bank.counts.eq(shell.counts),
            bank.levels.eq(window.levels),
            bank.status.eq(shell.status),
            bank.status.output_waiting.eq(~window.read_empty),
            bank.status.answer_waiting.eq(window.answer_waiting),
            bank.status.write_refused.eq(write_refused),
            bank.status.read_refused.eq(read_refused),
        ]
        m.d.sync += self.irq_o.eq(window.answer_waiting & bank.control.interrupt)
        return m

    def _access(self, m: Module, bank: RegisterBank, window: StreamWindow) -> tuple[Signal, Signal]:
        """One access per cycle of the bus; return what remembers that the window has refused one."""
        access: Any = bank.access
        write_refused, read_refused = Signal(), Signal()
        start, in_window, good = Signal(), Signal(), Signal()
        m.d.comb += [
            # Not in the cycle that ends an access: the strobe is still that of the one that ends.
            start.eq(self.wb_cyc_i & self.wb_stb_i & ~self.wb_ack_o & ~self.wb_err_o),
            in_window.eq(self.wb_adr_i >= WINDOW_OFFSET // 4),
            access.read.eq(start & ~in_window & ~self.wb_we_i),
            access.write.eq(start & ~in_window & self.wb_we_i),
            access.read_address.eq(self.wb_adr_i),
            access.write_address.eq(self.wb_adr_i),
            access.write_data.eq(self.wb_dat_i),
            access.write_bytes.eq(self.wb_sel_i),
            window.read.eq(start & in_window & ~self.wb_we_i),
            window.write.eq(start & in_window & self.wb_we_i & self.wb_sel_i.all()),
            window.write_data.eq(self.wb_dat_i),
        ]
        with m.If(in_window):
            m.d.comb += good.eq(
                Mux(self.wb_we_i, self.wb_sel_i.all() & ~window.write_full, ~window.read_empty)
            )
        with m.Else():
            m.d.comb += good.eq(Mux(self.wb_we_i, access.write_known, access.read_known))
        m.d.sync += [self.wb_ack_o.eq(start & good), self.wb_err_o.eq(start & ~good)]
        with m.If(start):
            m.d.sync += self.wb_dat_o.eq(Mux(in_window, window.read_data, access.read_data))
        with m.If(window.write & window.write_full):
            m.d.sync += write_refused.eq(1)
        with m.If(window.read & window.read_empty):
            m.d.sync += read_refused.eq(1)
        return write_refused, read_refused
