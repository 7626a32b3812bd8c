"""The accelerator with AXI ports: AXI4-Stream in and out, AXI4-Lite registers."""

from typing import Final

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.axi_lite import ADDRESS_WIDTH, AxiLite
from hw.core_shell import CoreShell
from hw.frame_closer import FrameCloser
from hw.register_bank import RegisterBank
from hw.register_shapes import answer_shape
from hw.register_slice import RegisterSlice
from spec.arch import ArchConfig
from spec.bus import Bus

__all__ = ["AxiWrapper"]


class AxiWrapper(wiring.Component):
    """One clock, ``aclk``; every output is a register, ``m_axis_tkeep`` a constant.

    The streams take one cycle more than the core's on either side, one word per cycle. While the core is
    in soft reset ``s_axis_tready`` is 0; an answer that the reset cuts ends with a word of zeros and
    ``m_axis_tlast``.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    aclk, aresetn : In(1)
        Rising edge; synchronous, active low.
    s_axis_tdata, s_axis_tvalid, s_axis_tready
        Words in. ``s_axis_tkeep`` and ``s_axis_tlast`` are ignored: every word counts whole, and packets
        say themselves where they end.
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tkeep, m_axis_tlast
        Words out, always whole; see ``spec.registers.CONTROL`` on ``tlast``.
    s_axil_...
        ``spec.registers``; ``awprot`` and ``arprot`` are ignored.
    """

    MODULE = "mixvec_axi"
    """Name of the Verilog module."""

    aclk: Signal
    aresetn: Signal
    s_axis_tdata: Signal
    s_axis_tvalid: Signal
    s_axis_tready: Signal
    m_axis_tdata: Signal
    m_axis_tvalid: Signal
    m_axis_tready: Signal
    m_axis_tkeep: Signal
    m_axis_tlast: Signal
    s_axil_awaddr: Signal
    s_axil_awvalid: Signal
    s_axil_awready: Signal
    s_axil_wdata: Signal
    s_axil_wstrb: Signal
    s_axil_wvalid: Signal
    s_axil_wready: Signal
    s_axil_bresp: Signal
    s_axil_bvalid: Signal
    s_axil_bready: Signal
    s_axil_araddr: Signal
    s_axil_arvalid: Signal
    s_axil_arready: Signal
    s_axil_rdata: Signal
    s_axil_rresp: Signal
    s_axil_rvalid: Signal
    s_axil_rready: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(self.members(arch))

    @staticmethod
    def members(arch: ArchConfig) -> dict[str, wiring.Member]:
        """Ports, for whoever describes the module."""
        width = arch.stream_width
        return {
            "aclk": In(1),
            "aresetn": In(1),
            "s_axis_tdata": In(width),
            "s_axis_tkeep": In(width // 8),
            "s_axis_tlast": In(1),
            "s_axis_tvalid": In(1),
            "s_axis_tready": Out(1),
            "m_axis_tdata": Out(width),
            "m_axis_tkeep": Out(width // 8),
            "m_axis_tlast": Out(1),
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "s_axil_awaddr": In(ADDRESS_WIDTH),
            "s_axil_awprot": In(3),
            "s_axil_awvalid": In(1),
            "s_axil_awready": Out(1),
            "s_axil_wdata": In(32),
            "s_axil_wstrb": In(4),
            "s_axil_wvalid": In(1),
            "s_axil_wready": Out(1),
            "s_axil_bresp": Out(2),
            "s_axil_bvalid": Out(1),
            "s_axil_bready": In(1),
            "s_axil_araddr": In(ADDRESS_WIDTH),
            "s_axil_arprot": In(3),
            "s_axil_arvalid": In(1),
            "s_axil_arready": Out(1),
            "s_axil_rdata": Out(32),
            "s_axil_rresp": Out(2),
            "s_axil_rvalid": Out(1),
            "s_axil_rready": In(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", local=True)
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.shell = shell = CoreShell(self.arch)
        m.submodules.bank = bank = RegisterBank(self.arch, Bus.AXI)
        self._connect_streams(m, shell)
        self._connect_registers(m, bank)
        m.d.comb += [
            bank.counts.eq(shell.counts),
            bank.status.eq(shell.status),
            # Those of the core end at the register slice: a word waits as long as the bus has not taken it.
            bank.status.output_waiting.eq(self.m_axis_tvalid),
            shell.control.eq(bank.control),
        ]
        return m

    def _connect_streams(self, m: Module, shell: CoreShell) -> None:
        """A register slice at either stream."""
        m.submodules.words_in = words_in = RegisterSlice(self.arch.stream_width)
        m.submodules.closer = closer = FrameCloser(self.arch)
        m.submodules.words_out = words_out = RegisterSlice(answer_shape(self.arch.stream_width))
        wiring.connect(m, words_in.o, shell.i)
        wiring.connect(m, shell.o, closer.i)
        wiring.connect(m, closer.o, words_out.i)
        m.d.comb += [
            words_in.clear.eq(shell.held),
            closer.cut.eq(shell.held),
            shell.unfinished.eq(closer.unfinished),
            words_in.i.payload.eq(self.s_axis_tdata),
            words_in.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(words_in.i.ready),
            self.m_axis_tdata.eq(words_out.o.payload.word),
            self.m_axis_tlast.eq(words_out.o.payload.last),
            self.m_axis_tkeep.eq(~0),
            self.m_axis_tvalid.eq(words_out.o.valid),
            words_out.o.ready.eq(self.m_axis_tready),
        ]

    def _connect_registers(self, m: Module, bank: RegisterBank) -> None:
        """The AXI4-Lite port by its names on the bus."""
        m.submodules.axi_lite = lite = AxiLite()
        wiring.connect(m, lite.access, bank.access)
        m.d.comb += [
            lite.aw.payload.eq(self.s_axil_awaddr),
            lite.aw.valid.eq(self.s_axil_awvalid),
            self.s_axil_awready.eq(lite.aw.ready),
            lite.w.payload.data.eq(self.s_axil_wdata),
            lite.w.payload.bytes.eq(self.s_axil_wstrb),
            lite.w.valid.eq(self.s_axil_wvalid),
            self.s_axil_wready.eq(lite.w.ready),
            self.s_axil_bresp.eq(lite.b.payload),
            self.s_axil_bvalid.eq(lite.b.valid),
            lite.b.ready.eq(self.s_axil_bready),
            lite.ar.payload.eq(self.s_axil_araddr),
            lite.ar.valid.eq(self.s_axil_arvalid),
            self.s_axil_arready.eq(lite.ar.ready),
            self.s_axil_rdata.eq(lite.r.payload.data),
            self.s_axil_rresp.eq(lite.r.payload.response),
            self.s_axil_rvalid.eq(lite.r.valid),
            lite.r.ready.eq(self.s_axil_rready),
        ]
