"""The block memory of every buffer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockMemory"]


class BlockMemory(wiring.Component):
    """One write port, one read port, and a register behind the read port.

    Latency ``LATENCY`` cycles from address to data. The register is a block RAM's own output register,
    without which clock-to-out alone takes most of a cycle on ECP5. Reading the address that is being
    written returns either word; callers never do.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words.
    """

    LATENCY = 2

    def __init__(self, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        address = max((depth - 1).bit_length(), 1)
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(width),
                "read_address": In(address),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        storage = memory.Memory(shape=self.width, depth=max(self.depth, 2), init=[], attrs={"no_rw_check": 1})
        m.submodules.words = storage
        write, read = storage.write_port(), storage.read_port(domain="sync")
        fetched = Signal(self.width, reset_less=True)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
            self.read_data.eq(fetched),
        ]
        m.d.sync += fetched.eq(read.data)
        return m
