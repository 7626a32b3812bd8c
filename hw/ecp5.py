"""Cells of Lattice ECP5 that synthesis does not find, or would not leave as they are."""

from typing import Final

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed

__all__ = [
    "ecp5_gated_sum",
    "ecp5_merging_sum",
    "ecp5_product",
    "ecp5_register",
    "ecp5_sum",
]

_OPERAND: Final = 18
"""Bits of an operand of MULT18X18D."""
_MERGING_SUM: Final = 0x111E
"""Lookup table of CCU2C that adds its inputs A or B to its inputs C or D.

The carry out of a bit whose summands are equal is the lookup table of A and B alone, which is A or B too.
"""
_GATED_SUM: Final = 0x6A6A
"""The same for A and, where C is set, B; the carry is A."""
_CARRY_OF_BOTH: Final = 0x0008
"""Of A and B while D is 1, when the sum is 0 and the carry what the table has for D at 0: A and B."""


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


def ecp5_merging_sum(
    m: Module, left: tuple[Value, Value], right: tuple[Value, Value], lowest: tuple[Value, Value], name: str
) -> Signal:
    """Return (``left[0]`` | ``left[1]``) + (``right[0]`` | ``right[1]``) in the same cycle, all of one width.

    All four go into the lookup tables of the carry chain, but for their lowest bits: ``lowest`` are
    ``left[0][0] | left[1][0]`` and ``right[0][0] | right[1][0]``. A chain has to begin with a carry that it
    makes itself, from two bits at most; so the first lookup table does nothing else, and a sum of 32 bits
    fills four tiles, not a fifth for one bit.
    """
    rest = tuple(number[1:] for number in (*left, *right))
    upper = _carry_chain(m, _MERGING_SUM, rest, name, lowest)
    total = Signal(len(left[0]), name=f"{name}_total")
    m.d.comb += total.eq(Cat(lowest[0] ^ lowest[1], upper))
    return total


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


def _carry_chain(
    m: Module, table: int, operands: tuple[Value, ...], name: str, both: tuple[Value, Value] | None = None
) -> Signal:
    """Return the sums of a chain of CCU2C, two bits each, whose inputs A to D are ``operands``.

    Place and route adds a cell where a chain has a carry in, even a constant. So the first bit adds nothing
    but makes a carry of its own: 1 where ``both`` are 1, or 0 without them.
    """
    width = len(operands[0])
    total, carry = Signal(width, name=f"{name}_sums"), Signal(width // 2 + 1, name=f"{name}_carry")
    idle: tuple[int, tuple[Value, ...]] = (0, ())
    bits = [idle if both is None else (_CARRY_OF_BOTH, (*both, Const(0, 1), Const(1, 1)))]
    bits += [(table, tuple(number[n] for number in operands)) for n in range(width)]
    bits += [idle] * (len(bits) % 2)
    for number in range(len(bits) // 2):
        ports: dict[str, object] = {}
        for half in range(2):
            place = 2 * number + half
            its, inputs = bits[place]
            ports |= {f"i_{pin}{half}": bit for pin, bit in zip("ABCD", inputs, strict=False)}
            ports |= {f"p_INIT{half}": Const(its, 16), f"p_INJECT1_{half}": "NO"}
            if 0 < place <= width:
                ports |= {f"o_S{half}": total[place - 1]}
        if number > 0:
            ports |= {"i_CIN": carry[number - 1]}
        if number < len(bits) // 2 - 1:
            ports |= {"o_COUT": carry[number]}
        m.submodules[f"{name}_{number}"] = Instance("CCU2C", **ports)
    return total
