"""Parameter memory: bias, multiplier and shift of every output of a layer."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay
from hw.shapes import block_shape, parameters_shape
from spec.arch import ArchConfig
from spec.outputs import OUTPUT_PARAMETERS, entries_per_word, words_per_entry

__all__ = ["ParameterMemory"]


class ParameterMemory(wiring.Component):
    """Take entries in the order of the outputs; give those of a word of psums, block by block.

    A word of psums has each lane in the same places, so there is a memory for each lane of a word. Where
    the psums of one word may lie in several group rows, each row reads a copy of its own.

    Latency ``LATENCY`` cycles from ``step`` to ``parameters``; a word per cycle.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    restart : In(1)
        The next entry is that of output 0.
    write, write_data : In
        A word of entries.
    open, block : In
        A block starts, with the word of the next ``step``.
    step : In(1)
        A word of psums is here.
    parameters : Out(ArrayLayout(parameters_shape(), psums_per_word))
    """

    LATENCY = BlockMemory.LATENCY

    restart: Signal
    write: Signal
    write_data: Signal
    open: Signal
    block: Signal
    step: Signal
    parameters: data.View

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        self.size, self.places, self.copies = self.memories(arch)
        self.rows_per_word: Final = max(arch.psums_per_word // arch.lanes, 1)
        super().__init__(
            {
                "restart": In(1),
                "write": In(1),
                "write_data": In(arch.stream_width),
                "open": In(1),
                **{name: In(shape) for name, shape in block_shape(arch).items()},
                "step": In(1),
                "parameters": Out(data.ArrayLayout(parameters_shape(), arch.psums_per_word)),
            }
        )

    @staticmethod
    def memories(arch: ArchConfig) -> tuple[MemorySize, int, int]:
        """Return the size of each memory, how many hold an entry each of a word, and copies of them all.

        There is 1 copy if every word of psums lies in one group row.
        """
        places = min(arch.psums_per_word, arch.lanes)
        rows = max(arch.psums_per_word // arch.lanes, 1)
        size = MemorySize(OUTPUT_PARAMETERS.width, arch.output_blocks * arch.segment // places)
        return size, places, rows if arch.tokens % rows else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        memories = []
        for copy in range(self.copies):
            address = self._address(m, copy)
            for place in range(self.places):
                name = f"copy_{copy}_place_{place}"
                m.submodules[name] = memory = BlockMemory(*self.size)
                m.d.comb += memory.read_address.eq(address)
                memories.append(memory)
        self._fill(m, memories)
        for number in range(self.arch.psums_per_word):
            copy = number // self.places % self.copies
            memory = memories[copy * self.places + number % self.places]
            m.d.comb += Value.cast(self.parameters[number]).eq(memory.read_data)
        return m

    def _fill(self, m: Module, memories: list[BlockMemory]) -> None:
        """Write entries, ``entries_per_word`` places of all copies at once."""
        width, together = OUTPUT_PARAMETERS.width, entries_per_word(self.arch)
        write: Value = self.write
        word: Value = self.write_data
        if words_per_entry(self.arch) == 2:
            lower, second = Signal.like(self.write_data, name="lower", reset_less=True), Signal()
            with m.If(self.write):
                m.d.sync += [lower.eq(self.write_data), second.eq(~second)]
            with m.If(self.restart):
                m.d.sync += second.eq(0)
            write, word = self.write & second, Cat(lower, self.write_data)
        turns = self.places // together
        turn_bits = turns.bit_length() - 1
        number = Signal(len(memories[0].write_address) + turn_bits)
        with m.If(write):
            m.d.sync += number.eq(number + 1)
        with m.If(self.restart):
            m.d.sync += number.eq(0)
        # A register more: the block RAMs lie far apart.
        address = delay(m, number[turn_bits:], 1, "write_address")
        entries = delay(m, word[: together * width], 1, "entries")
        for turn in range(turns):
            mine = write & (number[:turn_bits] == turn)
            enable = delay(m, mine, 1, f"write_{turn}", reset_less=False)
            for entry in range(together):
                for memory in memories[turn * together + entry :: self.places]:
                    m.d.comb += [
                        memory.write_enable.eq(enable),
                        memory.write_address.eq(address),
                        memory.write_data.eq(entries.word_select(entry, width)),
                    ]

    def _address(self, m: Module, copy: int) -> Value:
        """Return where the entries of one group row of the word lie; rows follow each other as psums do."""
        arch = self.arch
        words_per_row = arch.lanes // self.places
        row_bits, word_bits = arch.groups.bit_length() - 1, words_per_row.bit_length() - 1
        block_bits = arch.output_blocks.bit_length() - 1
        # With a single block there is nothing to hold; an empty register is no legal Verilog.
        block = Signal(block_bits, name=f"block_{copy}", reset_less=True) if block_bits else None
        row = Signal(max(row_bits, 1), name=f"row_{copy}", reset_less=True)
        word = Signal(max(word_bits, 1), name=f"word_{copy}", reset_less=True)
        token = Signal(range(2 * arch.tokens), name=f"token_{copy}", reset_less=True)
        following = Signal.like(token, name=f"following_{copy}")
        more = Signal(name=f"more_{copy}")
        rows, tokens = divmod(self.rows_per_word, arch.tokens)
        m.d.comb += [following.eq(token + tokens), more.eq(following >= arch.tokens)]
        with m.If(self.open):
            first_row, first_token = divmod(copy, arch.tokens)
            m.d.sync += [word.eq(0), row.eq(first_row), token.eq(first_token)]
            if block is not None:
                m.d.sync += block.eq(self.block)
        with m.Elif(self.step):
            m.d.sync += word.eq(word + 1)
            with m.If(word == words_per_row - 1):
                m.d.sync += [
                    word.eq(0),
                    row.eq(row + rows + more),
                    token.eq(Mux(more, following - arch.tokens, following)),
                ]
        return Cat(word[:word_bits], row[:row_bits], *(() if block is None else (block,)))
