"""Output stage: psums to the activation format, and the words that they are packed into."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.code_table import CodeTable
from hw.delay_line import DelayLine
from hw.output_settings import settings_shape
from hw.parameter_memory import ParameterMemory
from hw.pipeline import delay
from hw.requantizer import Requantizer
from hw.shapes import ItemKind, block_shape, bundle, header_shape
from spec.arch import ArchConfig
from spec.outputs import table_words
from spec.packet import Opcode

__all__ = ["OutputStage"]


class OutputStage(wiring.Component):
    """Requantize the blocks of a layer whose mode says so; pass on everything else.

    Of the words of a requantized block only those that fill a word of codes are emitted, so that what follows
    gives back the credit of the others. Latency ``LATENCY`` cycles in either mode; one item per cycle.

    Parameters
    ----------
    arch : ArchConfig
        With an output stage.

    Members
    -------
    settings : In(settings_shape(arch))
        Mode and zero point change only while no block is under way.
    load_data : In(stream_width)
        Word on the load bus.
    kind, word, emit, block : In
        From the split adder.
    kind_out, word_out, emit_out : Out
        To the egress.
    """

    LATENCY = ParameterMemory.LATENCY + Requantizer.LATENCY + CodeTable.LATENCY + 1

    settings: data.View
    load_data: Signal
    kind: enum.EnumView
    word: Signal
    emit: Signal
    block: Signal
    kind_out: enum.EnumView
    word_out: Signal
    emit_out: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "settings": In(settings_shape(arch)),
                "load_data": In(arch.stream_width),
                "kind": In(ItemKind),
                "word": In(arch.stream_width),
                "emit": In(1),
                **{name: In(shape) for name, shape in block_shape(arch).items()},
                "kind_out": Out(ItemKind),
                "word_out": Out(arch.stream_width),
                "emit_out": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, settings = self.arch, self.settings
        m.submodules.parameter_memory = memory = ParameterMemory(arch)
        m.d.comb += [
            memory.restart.eq(settings.restart),
            memory.write.eq(settings.parameters),
            memory.write_data.eq(self.load_data),
            memory.open.eq(self.kind == ItemKind.BLOCK_HEADER),
            memory.block.eq(self.block),
            memory.step.eq(self.kind == ItemKind.BLOCK_DATA),
        ]
        word = delay(m, self.word, ParameterMemory.LATENCY, "word")
        codes = self._codes(m, word, memory)
        m.submodules.line = line = DelayLine(arch.stream_width, self.LATENCY - ParameterMemory.LATENCY - 1)
        m.d.comb += line.i.eq(word)
        # An item waits beside its psums, and moves on with the word that holds its codes.
        wait = self.LATENCY - 1
        kind = delay(m, self.kind, wait, "kind", reset_less=False)
        emit = delay(m, self.emit, wait, "emit")
        m.d.comb += self.kind_out.eq(delay(m, kind, 1, "kind_out", reset_less=False))
        self._pack(m, kind, emit, line.o, codes)
        return m

    def _codes(self, m: Module, word: Value, memory: ParameterMemory) -> Value:
        """Return the codes of the psums in ``word``, all of a word at once."""
        arch, settings = self.arch, self.settings
        address = Signal(range(max(table_words(arch), 2)))
        with m.If(settings.entries):
            m.d.sync += address.eq(address + 1)
        with m.If(settings.restart):
            m.d.sync += address.eq(0)
        codes = []
        for number in range(arch.psums_per_word):
            m.submodules[f"requantizer_{number}"] = requantizer = Requantizer(arch)
            m.submodules[f"table_{number}"] = table = CodeTable(arch)
            m.d.comb += [
                requantizer.psum.eq(word.word_select(number, arch.output_width)),
                Value.cast(requantizer.parameters).eq(memory.parameters[number]),
                requantizer.zero_point.eq(settings.zero_point),
                requantizer.relu.eq(settings.mode.relu),
                table.write_enable.eq(settings.entries),
                table.write_address.eq(address),
                table.write_data.eq(self.load_data),
                table.enable.eq(settings.mode.table),
                table.code.eq(requantizer.code),
            ]
            codes.append(table.entry)
        return Cat(codes)

    def _pack(self, m: Module, kind: Value, emit: Value, word: Value, codes: Value) -> None:
        """Gather codes into the word that leaves; anything else replaces it."""
        arch, requantize = self.arch, self.settings.mode.requantize
        places = arch.output_width // arch.activation_width
        packed = Signal(arch.stream_width, reset_less=True)
        number = Signal(range(arch.words_per_block + 1))
        place = number[: places.bit_length() - 1]
        is_header, is_data = kind == ItemKind.BLOCK_HEADER, kind == ItemKind.BLOCK_DATA
        header = bundle(header_shape(), "header")
        fills, emits = Signal(), Signal()
        m.d.comb += [
            header.as_value().eq(word),
            fills.eq((place == places - 1) | (number == arch.words_per_block - 1)),
            emits.eq(emit & (fills | ~(is_data & requantize))),
        ]
        with m.If(is_header & requantize):
            m.d.comb += [header.opcode.eq(Opcode.CODES), header.length.eq(arch.code_words_per_block)]
        with m.If(is_header):
            m.d.sync += number.eq(0)
        with m.Elif(is_data):
            m.d.sync += number.eq(number + 1)
        with m.If(is_data & requantize):
            m.d.sync += packed.word_select(place, len(codes)).eq(codes)
        # Between the words of a block there may be nothing for a while.
        with m.Elif(kind != ItemKind.IDLE):
            m.d.sync += packed.eq(Cat(header, word[header_shape().size :]))
        m.d.comb += [
            self.word_out.eq(packed),
            self.emit_out.eq(delay(m, emits, 1, "emit_out")),
        ]
