"""The block memory of every buffer."""

from typing import Any, Final, NamedTuple

from amaranth.hdl import Module, Shape, ShapeLike, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5_memory import ecp5_memory
from hw.family import Family, family_of

__all__ = ["BlockMemory", "MemorySize", "plain_memory"]

_LEAST_BLOCK_BITS: Final = {Family.GOWIN: 512, Family.ICE40: 64}
"""From here on a block RAM is better than Gowin's LUT RAM, 64 bits of which take 8 places of LUTs and 6 of
registers, or than the registers that stand in for LUT RAM on iCE40."""


class MemorySize(NamedTuple):
    """Bits of a word, and words."""

    width: int
    depth: int


def plain_memory(
    shape: ShapeLike, depth: int, platform: object = None, *, lut_ram: bool = False
) -> memory.Memory:
    """Return a memory of zeros, synthesized without logic for a word that is read while it is written.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Words.
    platform : object
        As ``elaborate()`` has it, if behind the read port there is a register: it may be a block RAM then.
    lut_ram : bool
        Where the family has LUT RAM it shall be that.
    """
    # The stubs want a text, but only the number comes out as a flag in Verilog.
    flags: Any = {"no_rw_check": 1}
    family = family_of(platform)
    least = _LEAST_BLOCK_BITS.get(family)
    wanted = not lut_ram or family is Family.ICE40
    if wanted and least is not None and Shape.cast(shape).width * depth >= least:
        flags["ram_style"] = "block"
    return memory.Memory(shape=shape, depth=depth, init=[], attrs=flags)


class BlockMemory(wiring.Component):
    """One write port, one read port, and a register behind the read port.

    Latency ``LATENCY`` cycles from address to data. The register is a block RAM's own output register,
    without which clock-to-out alone takes most of a cycle on ECP5; there block RAMs are placed as such, since
    yosys leaves the register outside. Reading the address that is being
    written returns either word; callers never do.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words; at least 2 are built.

    Members
    -------
    write_enable, write_address, write_data : In
        A word written in one cycle is there for addresses read from the next on.
    read_address : In
    read_data : Out(width)
    """

    LATENCY = 2

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    def __init__(self, width: int, depth: int) -> None:
        self.width: Final = width
        self.depth: Final = depth
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
        found: Signal | None = None
        if family_of(platform) is Family.ECP5:
            found = ecp5_memory(
                m,
                depth=self.depth,
                enable=self.write_enable,
                write_address=self.write_address,
                data=self.write_data,
                read_address=self.read_address,
            )
        m.d.comb += self.read_data.eq(self._inferred(m, platform) if found is None else found)
        return m

    def _inferred(self, m: Module, platform: object) -> Signal:
        """Return the word read, from a memory that synthesis finds a place for."""
        storage = plain_memory(self.width, max(self.depth, 2), platform)
        m.submodules.words = storage
        write, read = storage.write_port(), storage.read_port(domain="sync")
        fetched = Signal(self.width, reset_less=True)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
        ]
        m.d.sync += fetched.eq(read.data)
        return fetched
