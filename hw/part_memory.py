"""A block memory that gives out a part of a word."""

from typing import Final

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.ecp5_memory import ecp5_part_memory
from hw.family import Family, family_of
from hw.memory import BlockMemory, plain_memory
from hw.pipeline import delay

__all__ = ["PartMemory"]


class PartMemory(wiring.Component):
    """Words are written whole and read in parts, a part per cycle.

    Latency ``LATENCY`` cycles from address to data. Block RAMs of ECP5 choose the part themselves, unless
    that takes more of them: then it is chosen behind their output register. Elsewhere it is chosen in
    front of the register, which so has the bits of a part instead of those of a word. Reading the word that
    is being written returns either; callers never do.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words.
    part_width : int
        Bits of a part; divides ``width`` into a power of two of parts.

    Members
    -------
    write_enable, write_address, write_data : In
        As in ``BlockMemory``.
    read_address : In
        Number of the part in its word, the lowest part first; above it, address of the word.
    read_data : Out(part_width)
    """

    LATENCY = BlockMemory.LATENCY + 1

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    def __init__(self, width: int, depth: int, part_width: int) -> None:
        self.width: Final = width
        self.depth: Final = depth
        self.part_width: Final = part_width
        self.part_bits: Final = (width // part_width - 1).bit_length()
        address = max((depth - 1).bit_length(), 1)
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(width),
                "read_address": In(self.part_bits + address),
                "read_data": Out(part_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        part: Value | None = None
        if family_of(platform) is Family.ECP5:
            part = ecp5_part_memory(
                m,
                depth=self.depth,
                enable=self.write_enable,
                write_address=self.write_address,
                data=self.write_data,
                read_address=self.read_address,
                parts=1 << self.part_bits,
            )
            part = self._behind(m) if part is None else part
        read = self._in_front(m, platform) if part is None else part
        m.d.comb += self.read_data.eq(delay(m, read, 1, "part_read"))
        return m

    def _behind(self, m: Module) -> Value:
        """Choose the part behind the register of a memory that reads whole words."""
        m.submodules.storage = memory = BlockMemory(self.width, self.depth)
        m.d.comb += [
            memory.write_enable.eq(self.write_enable),
            memory.write_address.eq(self.write_address),
            memory.write_data.eq(self.write_data),
            memory.read_address.eq(self.read_address[self.part_bits :]),
        ]
        number = delay(m, self.read_address[: self.part_bits], BlockMemory.LATENCY, "part")
        return memory.read_data.word_select(number, self.part_width)

    def _in_front(self, m: Module, platform: object) -> Value:
        """Choose the part in front of a register."""
        m.submodules.words = storage = plain_memory(self.width, max(self.depth, 2), platform)
        write, read = storage.write_port(), storage.read_port(domain="sync")
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address[self.part_bits :]),
        ]
        number = delay(m, self.read_address[: self.part_bits], 1, "part")
        return delay(m, read.data.word_select(number, self.part_width), 1, "chosen")
