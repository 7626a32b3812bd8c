"""Cells of Lattice ECP5 that synthesis does not find, or would not leave as they are."""

from typing import Final

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed

__all__ = [
    "ecp5_block_rams",
    "ecp5_gated_sum",
    "ecp5_memory",
    "ecp5_merging_sum",
    "ecp5_product",
    "ecp5_register",
    "ecp5_sum",
]

_OPERAND: Final = 18
"""Bits of an operand of MULT18X18D."""
_DUAL_PORT_WIDTHS: Final = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of DP16KD; up to 512 words PDPW16KD has 36 bits."""
_MERGING_SUM: Final = 0x111E
"""Lookup table of CCU2C that adds its inputs A or B to its inputs C or D.

The carry out of a bit whose summands are equal is the lookup table of A and B alone, which is A or B too.
"""
_GATED_SUM: Final = 0x6A6A
"""The same for A and, where C is set, B; the carry is A."""
_ALWAYS: Final = Const(1)
_SIMPLE_WORDS: Final = 512
_SIMPLE_WIDTH: Final = 36


def ecp5_product(m: Module, a: Value, b: Value, name: str) -> Signal:
    """Return the signed product of ``a`` and ``b`` two cycles later, from a MULT18X18D called ``name``.

    Registers are those of the DSP block: at its operands and at its output. The operands lie in its top bits,
    so that nothing is sign-extended and every operand bit drives one pin.
    """
    width = len(a) + len(b)
    product = Signal(signed(width), name=f"{name}_product")
    ports: dict[str, object] = {}
    for letter, operand in (("A", a), ("B", b)):
        bits = Cat(Const(0, _OPERAND - len(operand)), operand)
        ports |= {f"i_{letter}{n}": bits[n] for n in range(_OPERAND)}
        ports |= {f"p_REG_INPUT{letter}_{what}": f"{what}0" for what in ("CLK", "CE", "RST")}
    ports |= {f"o_P{2 * _OPERAND - width + n}": product[n] for n in range(width)}
    m.submodules[name] = Instance(
        "MULT18X18D",
        p_REG_PIPELINE_CLK="NONE",
        p_REG_OUTPUT_CLK="CLK0",
        p_REG_OUTPUT_CE="CE0",
        p_REG_OUTPUT_RST="RST0",
        p_CLK0_DIV="ENABLED",
        p_GSR="DISABLED",
        p_RESETMODE="SYNC",
        i_CLK0=ClockSignal(),
        i_CE0=Const(1),
        i_RST0=Const(0),
        i_SIGNEDA=Const(1),
        i_SIGNEDB=Const(1),
        **ports,
    )
    return product


def ecp5_register(m: Module, value: Value, name: str) -> Signal:
    """Return ``value`` as it was one cycle before, in registers of its own, without reset.

    Of registers with the same input synthesis makes one, whatever attributes they have; it leaves cells of
    the device alone.
    """
    register = Signal(value.shape(), name=f"{name}_own")
    bits = Value.cast(register)
    for n in range(len(bits)):
        m.submodules[f"{name}_{n}"] = Instance(
            "TRELLIS_FF",
            p_GSR="DISABLED",
            p_CEMUX="1",
            p_CLKMUX="CLK",
            p_LSRMUX="LSR",
            p_REGSET="RESET",
            i_CLK=ClockSignal(),
            i_LSR=Const(0),
            i_CE=Const(1),
            i_DI=value[n],
            o_Q=bits[n],
        )
    return register


def ecp5_merging_sum(m: Module, left: tuple[Value, Value], right: tuple[Value, Value], name: str) -> Signal:
    """Return (``left[0]`` | ``left[1]``) + (``right[0]`` | ``right[1]``) in the same cycle, all of one width.

    All four go into the lookup tables of the carry chain.
    """
    return _carry_chain(m, _MERGING_SUM, (*left, *right), name)


def ecp5_sum(m: Module, left: Value, right: Value, name: str) -> Signal:
    """Return the signed sum of two signed numbers of one width in the same cycle, a bit wider."""
    width = len(left) + 1
    wide = tuple(Cat(number, number[-1]) for number in (left, right))
    ones = Const(~0, signed(width))
    return _carry_chain(m, _GATED_SUM, (*wide, ones, ones), name)


def ecp5_gated_sum(m: Module, left: Value, right: Value, gate: Value, name: str) -> Signal:
    """Return ``left`` + (``right`` if ``gate`` else 0) in the same cycle, both of one width.

    The gate is in the lookup tables of the carry chain.
    """
    gates = gate.replicate(len(left))
    return _carry_chain(m, _GATED_SUM, (left, right, gates, Const(0, len(left))), name)


def _carry_chain(m: Module, table: int, operands: tuple[Value, ...], name: str) -> Signal:
    """Return the sums of a chain of CCU2C, two bits each, whose inputs A to D are ``operands``.

    Place and route adds a cell where a chain has a carry in, even a constant. So the first bit adds nothing
    but makes a carry of 0 of its own.
    """
    width = len(operands[0])
    cells = width // 2 + 1
    total, carry = Signal(width, name=f"{name}_total"), Signal(cells, name=f"{name}_carry")
    for number in range(cells):
        ports: dict[str, object] = {}
        for half in range(2):
            bit = 2 * number + half - 1
            used = 0 <= bit < width
            if used:
                ports |= {f"i_{pin}{half}": bits[bit] for pin, bits in zip("ABCD", operands, strict=True)}
                ports |= {f"o_S{half}": total[bit]}
            ports |= {f"p_INIT{half}": Const(table if used else 0, 16), f"p_INJECT1_{half}": "NO"}
        if number > 0:
            ports |= {"i_CIN": carry[number - 1]}
        if number < cells - 1:
            ports |= {"o_COUT": carry[number]}
        m.submodules[f"{name}_{number}"] = Instance("CCU2C", **ports)
    return total


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
        share = data[low : low + width]
        place = _simple if words == _SIMPLE_WORDS else _dual
        m.submodules[f"block_ram_{number}"] = place(
            width, enable, write_address, share, read_address, found[low : low + width], (fetch, take)
        )
    return found


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
    width: int,
    enable: Value,
    write_address: Value,
    data: Value,
    read_address: Value,
    found: Value,
    moves: tuple[Value, Value],
) -> Instance:
    """One DP16KD that writes at port A and reads at port B."""
    low = {18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]
    outputs = {f"o_DOB{n}": found[n] for n in range(len(found))}
    return Instance(
        "DP16KD",
        p_DATA_WIDTH_A=width,
        p_DATA_WIDTH_B=width,
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
        **_pins("ADA", write_address, low, 14, rest=1),
        **_pins("ADB", read_address, low, 14),
        **{f"i_CS{port}{n}": Const(0) for port in "AB" for n in range(3)},
        **outputs,
    )
