"""A block memory that gives out a part of a word."""

from typing import Final

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.family import Family, family_of
from hw.memory import BlockMemory, plain_memory
from hw.pipeline import delay

__all__ = ["PartMemory"]


class PartMemory(wiring.Component):
    """Words are written whole and read in parts, a part per cycle.

    Latency ``LATENCY`` cycles from address to data. Where block RAMs have an output register, the
    part is chosen behind it. Elsewhere it is chosen in front of the register, which so has the bits of a part
    instead of those of a word. Reading the word that is being written returns either; callers never do.

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
        word, part = self.read_address[self.part_bits :], self.read_address[: self.part_bits]
        wait = BlockMemory.LATENCY if family_of(platform) is Family.ECP5 else 1
        number = delay(m, part, wait, "part") if self.part_bits else part
        chosen = Signal(self.part_width, reset_less=True)
        if family_of(platform) is Family.ECP5:
            m.submodules.storage = memory = BlockMemory(self.width, self.depth)
            m.d.comb += [
                memory.write_enable.eq(self.write_enable),
                memory.write_address.eq(self.write_address),
                memory.write_data.eq(self.write_data),
                memory.read_address.eq(word),
            ]
            m.d.sync += chosen.eq(memory.read_data.word_select(number, self.part_width))
            m.d.comb += self.read_data.eq(chosen)
            return m
        storage = plain_memory(self.width, max(self.depth, 2), platform)
        m.submodules.words = storage
        write, read = storage.write_port(), storage.read_port(domain="sync")
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(word),
        ]
        m.d.sync += chosen.eq(read.data.word_select(number, self.part_width))
        m.d.comb += self.read_data.eq(delay(m, chosen, 1, "part_read"))
        return m
