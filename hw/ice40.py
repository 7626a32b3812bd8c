"""Cells of Lattice iCE40 UltraPlus that synthesis does not place as it should."""

from typing import Final

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed

__all__ = ["ice40_product"]

_OPERAND: Final = 16
"""Bits of an operand of SB_MAC16."""
_PRODUCT: Final = 3
"""Choice of an output: its half of the 16 x 16 product."""
_CONTROLS: Final = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT"),
    *("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT"),
    *("CI", "ACCUMCI", "SIGNEXTIN"),
)
"""Inputs that hold, clear or add; none of them is used."""


def ice40_product(m: Module, a: Value, b: Value, name: str) -> Signal:
    """Return the signed product of ``a`` and ``b`` two cycles later, from a SB_MAC16 called ``name``.

    Registers are those of the DSP block: at its operands and behind the product. The operands lie in its top
    bits, so that nothing is sign-extended. yosys 0.70 infers such cells too (``-dsp``), but ties some of
    their products to a constant.
    """
    width = len(a) + len(b)
    product = Signal(signed(width), name=f"{name}_product")
    out = Signal(2 * _OPERAND, name=f"{name}_out")
    top, bottom = (Cat(Const(0, _OPERAND - len(operand)), operand) for operand in (a, b))
    m.submodules[name] = Instance(
        "SB_MAC16",
        p_A_REG=Const(1, 1),
        p_B_REG=Const(1, 1),
        p_PIPELINE_16x16_MULT_REG2=Const(1, 1),
        p_TOPOUTPUT_SELECT=Const(_PRODUCT, 2),
        p_BOTOUTPUT_SELECT=Const(_PRODUCT, 2),
        p_A_SIGNED=Const(1, 1),
        p_B_SIGNED=Const(1, 1),
        i_CLK=ClockSignal(),
        i_CE=Const(1),
        i_A=top,
        i_B=bottom,
        i_C=Const(0, _OPERAND),
        i_D=Const(0, _OPERAND),
        **{f"i_{control}": Const(0, 1) for control in _CONTROLS},
        o_O=out,
    )
    m.d.comb += product.eq(out[2 * _OPERAND - width :])
    return product
