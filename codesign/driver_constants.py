"""What a driver must know of one accelerator, as a C header and as Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spec.arch import ArchConfig
from spec.bus import Bus
from spec.counters import COUNTERS
from spec.packet import HEADER, SYNC_BYTES, ErrorCode, Opcode, framing_words
from spec.registers import MAGIC, VERSION, WINDOW_BYTES, WINDOW_OFFSET, registers_of

__all__ = ["Constant", "c_header", "driver_constants", "python_constants"]

_PREFIX: Final = "MIXVEC_"


@dataclass(frozen=True)
class Constant:
    """One number.

    Parameters
    ----------
    section : str
        What it belongs to.
    name : str
        Without the prefix that it has in C.
    value : int
        At most 64 bits, not negative.
    meaning : str
    hexadecimal : bool
        How it is written.
    """

    section: str
    name: str
    value: int
    meaning: str = ""
    hexadecimal: bool = False


def driver_constants(arch: ArchConfig, bus: Bus) -> Iterator[Constant]:
    """Yield the architecture, the packets, and the registers that ``bus`` has."""
    yield from _architecture(arch)
    yield from _packets(arch)
    if bus is not Bus.STREAM:
        yield from _registers(bus)


def _architecture(arch: ArchConfig) -> Iterator[Constant]:
    for name, value, meaning in (
        ("CLUSTERS", arch.clusters, "C"),
        ("LANES", arch.lanes, "L"),
        ("TOKENS", arch.tokens, "T, columns of one tile"),
        ("SEGMENT", arch.segment, "B, outputs of one block"),
        ("PES", arch.pes, "C x L x T"),
        ("WEIGHT_WIDTH", arch.weight_width, "bits"),
        ("ACTIVATION_WIDTH", arch.activation_width, "bits"),
        ("STREAM_BYTES", arch.stream_width // 8, "of one word"),
        ("BLOCK_WORDS", arch.words_per_block, "payload of PSUMS"),
    ):
        yield Constant("The architecture", name, value, meaning)
    if arch.output_blocks:
        yield Constant("The architecture", "CODE_WORDS", arch.code_words_per_block, "payload of CODES")
    yield Constant("The architecture", "FINGERPRINT", arch.fingerprint, "argument of BEGIN", True)


def _packets(arch: ArchConfig) -> Iterator[Constant]:
    size = min(arch.stream_width // 8, len(SYNC_BYTES))
    for name, mark in zip(("SYNC", "STUFF"), framing_words(size), strict=True):
        meaning = f"{8 * size} bits in little endian, repeated to fill a word of {arch.stream_width}"
        yield Constant("Packets", name, int.from_bytes(mark, "little"), meaning, True)
    yield Constant("Packets", "HEADER_WORDS", arch.header_words, "of a packet's header")
    for field, width in HEADER.widths:
        yield Constant("Packet header", f"HEADER_{field.upper()}_SHIFT", HEADER.offset(field))
        yield Constant("Packet header", f"HEADER_{field.upper()}_WIDTH", width, "bits")
    for opcode in Opcode:
        yield Constant("Opcodes", f"OP_{opcode.name}", opcode.value, hexadecimal=True)
    for code in ErrorCode:
        yield Constant("Error codes", f"ERROR_{code.name}", code.value)
    for number, counter in enumerate(COUNTERS):
        yield Constant("Words of a DONE payload", f"DONE_{counter.upper()}", number)
    yield Constant("Words of a DONE payload", "DONE_WORDS", len(COUNTERS))


def _registers(bus: Bus) -> Iterator[Constant]:
    yield Constant("Identity", "MAGIC", MAGIC, "in register `magic`", True)
    yield Constant("Identity", "VERSION", VERSION, "in register `version`")
    for register in registers_of(bus):
        name = f"REG_{register.name.upper()}"
        yield Constant("Registers: bytes from their start", name, register.offset, register.meaning, True)
    if bus is Bus.WISHBONE:
        section = "Window to the streams: bytes from the start of the registers"
        yield Constant(section, "WINDOW", WINDOW_OFFSET, "any offset in it will do", True)
        yield Constant(section, "WINDOW_BYTES", WINDOW_BYTES, hexadecimal=True)
    for register in registers_of(bus):
        if len(register.fields) == 1:
            continue
        for field in register.fields:
            name = f"{register.name}_{field.name}".upper()
            shift = register.layout.offset(field.name)
            mask = (1 << field.width) - 1 << shift
            section = f"Fields of `{register.name}`"
            yield Constant(section, f"{name}_SHIFT", shift, field.meaning)
            yield Constant(section, f"{name}_MASK", mask, hexadecimal=True)


def c_header(arch: ArchConfig, bus: Bus) -> str:
    """Return the constants as macros, for C99 and C++11."""
    lines = [f"/* mixvec accelerator, {bus} bus", f" * {arch.to_json()}", " */"]
    lines += ["#ifndef MIXVEC_H", "#define MIXVEC_H", "", "#include <stdint.h>"]
    section = ""
    for constant in driver_constants(arch, bus):
        if constant.section != section:
            section = constant.section
            lines += ["", f"/* {section} */"]
        number = _number(constant)
        value = f"UINT64_C({number})" if constant.value >> 32 else f"UINT32_C({number})"
        comment = f" /* {constant.meaning} */" if constant.meaning else ""
        lines.append(f"#define {_PREFIX}{constant.name} {value}{comment}")
    return "\n".join([*lines, "", "#endif", ""])


def python_constants(arch: ArchConfig, bus: Bus) -> str:
    """Return the constants as a Python module."""
    lines = [f'"""mixvec accelerator, {bus} bus.', "", arch.to_json(), '"""']
    section = ""
    for constant in driver_constants(arch, bus):
        if constant.section != section:
            section = constant.section
            lines += ["", f"# {section}"]
        comment = f"  # {constant.meaning}" if constant.meaning else ""
        lines.append(f"{constant.name} = {_number(constant)}{comment}")
    return "\n".join([*lines, ""])


def _number(constant: Constant) -> str:
    return f"{constant.value:#x}" if constant.hexadecimal else str(constant.value)
