"""Code table: any function of a requantized output."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from spec.arch import ArchConfig
from spec.outputs import TABLE_ENTRIES_PER_WORD, table_words

__all__ = ["CodeTable"]


class CodeTable(wiring.Component):
    """Replace a code by the table's entry for it, or pass it on.

    Latency ``LATENCY`` cycles; one code per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``activation_width`` (bits).

    Members
    -------
    write_enable, write_address, write_data : In
        Entries ``TABLE_ENTRIES_PER_WORD`` · ``write_address`` onwards.
    enable : In(1)
        Of the layer: codes are looked up.
    code : In(signed(activation_width))
        Its bits, taken as an unsigned number, number the entry.
    entry : Out(signed(activation_width))
    """

    LATENCY = BlockMemory.LATENCY + 1

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    enable: Signal
    code: Signal
    entry: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        width = arch.activation_width
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(max(table_words(arch), 2))),
                "write_data": In(TABLE_ENTRIES_PER_WORD * width),
                "enable": In(1),
                "code": In(signed(width)),
                "entry": Out(signed(width)),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of the table."""
        return MemorySize(TABLE_ENTRIES_PER_WORD * arch.activation_width, table_words(arch))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.code)
        place_bits = TABLE_ENTRIES_PER_WORD.bit_length() - 1
        m.submodules.entries = words = BlockMemory(*self.memory(self.arch))
        m.d.comb += [
            words.write_enable.eq(self.write_enable),
            words.write_address.eq(self.write_address),
            words.write_data.eq(self.write_data),
            words.read_address.eq(self.code[place_bits:]),
        ]
        code = delay(m, self.code, BlockMemory.LATENCY, "code")
        entry = Signal(signed(width), name="chosen", reset_less=True)
        found = words.read_data.word_select(code[:place_bits], width)
        m.d.sync += entry.eq(Mux(self.enable, found, code))
        m.d.comb += self.entry.eq(entry)
        return m
