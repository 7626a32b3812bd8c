"""Block RAMs of Lattice ECP5, placed as such."""

from typing import Final

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value

__all__ = ["ecp5_block_rams", "ecp5_memory", "ecp5_part_memory"]

_DUAL_PORT_WIDTHS: Final = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of DP16KD; up to 512 words PDPW16KD has 36 bits."""
_SIMPLE_WORDS: Final = 512
_SIMPLE_WIDTH: Final = 36
_ALWAYS: Final = Const(1)


def ecp5_memory(
    m: Module,
    *,
    depth: int,
    enable: Value,
    write_address: Value,
    data: Value,
    read_address: Value,
    fetch: Value = _ALWAYS,
    take: Value = _ALWAYS,
) -> Signal | None:
    """Return the words at ``read_address`` two cycles later, from block RAMs side by side.

    The second cycle is the block RAM's own output register. ``fetch`` lets a word out of the memory, ``take``
    moves it to the output register; there is no ``take`` without a ``fetch``. None if it is deeper than one
    block RAM.
    """
    found = Signal(len(data), name="block_ram_word")
    shape = _ram_shape(depth)
    if shape is None:
        return None
    words, width = shape
    for number in range(-(-len(data) // width)):
        low = number * width
        share, part, moves = data[low : low + width], found[low : low + width], (fetch, take)
        m.submodules[f"block_ram_{number}"] = (
            _simple(width, enable, write_address, share, read_address, part, moves)
            if words == _SIMPLE_WORDS
            else _dual((width, width), enable, write_address, share, read_address, part, moves)
        )
    return found


def ecp5_part_memory(
    m: Module,
    *,
    depth: int,
    enable: Value,
    write_address: Value,
    data: Value,
    read_address: Value,
    parts: int,
) -> Value | None:
    """Return a part of a word two cycles later, from block RAMs that are read in parts themselves.

    Each holds as many bits of every part. At a narrower port the lowest address bits number the parts of a
    word, the lowest first; so yosys maps memories with such ports.

    Parameters
    ----------
    parts : int
        Parts of a word, a power of two; their number is in the lowest bits of ``read_address``.

    Returns
    -------
    Value or None
        None if it is deeper than one block RAM, or so shallow that it takes fewer block RAMs in whole words,
        or if a block RAM has too few bits of a word.
    """
    layout = _part_layout(len(data), depth, parts)
    if layout is None:
        return None
    width, count = layout
    used, part = _whole_bytes(width), len(data) // parts
    share = used // parts
    found = Signal(count * share, name="block_ram_part")
    for number in range(count):
        # A ninth bit is out of reach of a narrower port.
        bits = [data[n * part + number * share : n * part + (number + 1) * share] for n in range(parts)]
        word = Cat(bits)
        spread = Cat(Cat(word[low : low + 8], Const(0, 1)) for low in range(0, used, 8)) if used > 8 else word
        m.submodules[f"block_ram_{number}"] = _dual(
            (width, 9 if share == 8 else share),
            enable,
            write_address,
            spread,
            read_address,
            found[number * share : (number + 1) * share],
            (_ALWAYS, _ALWAYS),
        )
    return found[:part]


def _part_layout(width: int, depth: int, parts: int) -> tuple[int, int] | None:
    """Width of the port that writes, and block RAMs, of a memory that is read in parts; see there."""
    shape = _ram_shape(depth)
    if shape is None or shape[0] == _SIMPLE_WORDS or _whole_bytes(shape[1]) < parts or parts == 1:
        return None
    used = _whole_bytes(shape[1])
    count = -(-width // used)
    return (shape[1], count) if width % used == 0 and count == -(-width // shape[1]) else None


def _whole_bytes(width: int) -> int:
    """Bits of a word of a block RAM without the ninth ones."""
    return width // 9 * 8 if width >= 9 else width


def ecp5_block_rams(width: int, depth: int) -> int | None:
    """Return how many block RAMs :func:`ecp5_memory` places; None if it leaves the memory to synthesis."""
    shape = _ram_shape(depth)
    return None if shape is None else -(-width // shape[1])


def _ram_shape(depth: int) -> tuple[int, int] | None:
    """Words and bits of the block RAM that holds ``depth`` words and is the widest."""
    shapes = ((_SIMPLE_WORDS, _SIMPLE_WIDTH), *_DUAL_PORT_WIDTHS)
    return next(((words, width) for words, width in shapes if depth <= words), None)


def _pins(letter: str, value: Value, low: int, count: int, *, rest: int = 0) -> dict[str, Value]:
    """Input pins ``letter`` 0 to ``count`` - 1: ``value`` from pin ``low`` on, ``rest`` on the others."""
    return {
        f"i_{letter}{n}": value[n - low] if 0 <= n - low < len(value) else Const(rest, 1)
        for n in range(count)
    }


def _simple(
    width: int,
    enable: Value,
    write_address: Value,
    data: Value,
    read_address: Value,
    found: Value,
    moves: tuple[Value, Value],
) -> Instance:
    """One PDPW16KD: 512 words of 36 bits, a write port and a read port."""
    # The upper half of a word is the lower half of the output pins.
    outputs = {f"o_DO{(n + width // 2) % width}": found[n] for n in range(len(found))}
    return Instance(
        "PDPW16KD",
        p_DATA_WIDTH_W=width,
        p_DATA_WIDTH_R=width,
        p_REGMODE="OUTREG",
        p_RESETMODE="SYNC",
        p_GSR="DISABLED",
        i_CLKW=ClockSignal(),
        i_CLKR=ClockSignal(),
        i_CEW=enable,
        i_CER=moves[0],
        i_OCER=moves[1],
        i_RST=Const(0),
        **_pins("DI", data, 0, width),
        **_pins("ADW", write_address, 0, 9),
        **_pins("ADR", read_address, 5, 14),
        **{f"i_BE{n}": Const(1) for n in range(4)},
        **{f"i_CS{port}{n}": Const(0) for port in "WR" for n in range(3)},
        **outputs,
    )


def _dual(
    widths: tuple[int, int],
    enable: Value,
    write_address: Value,
    data: Value,
    read_address: Value,
    found: Value,
    moves: tuple[Value, Value],
) -> Instance:
    """One DP16KD that writes at port A and reads at port B, which have a width each."""
    low_a, low_b = ({18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width] for width in widths)
    outputs = {f"o_DOB{n}": found[n] for n in range(len(found))}
    return Instance(
        "DP16KD",
        p_DATA_WIDTH_A=widths[0],
        p_DATA_WIDTH_B=widths[1],
        p_REGMODE_A="NOREG",
        p_REGMODE_B="OUTREG",
        p_RESETMODE="SYNC",
        p_GSR="DISABLED",
        i_CLKA=ClockSignal(),
        i_CLKB=ClockSignal(),
        i_CEA=Const(1),
        i_WEA=enable,
        i_OCEA=Const(1),
        i_RSTA=Const(0),
        i_CEB=moves[0],
        i_WEB=Const(0),
        i_OCEB=moves[1],
        i_RSTB=Const(0),
        **_pins("DIA", data, 0, 18),
        # At 18 bits the lowest two address pins enable the bytes of a write.
        **_pins("ADA", write_address, low_a, 14, rest=1),
        **_pins("ADB", read_address, low_b, 14),
        **{f"i_CS{port}{n}": Const(0) for port in "AB" for n in range(3)},
        **outputs,
    )
