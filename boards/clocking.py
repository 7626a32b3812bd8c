"""The clock of a board's design, where the board's own oscillator is not the one."""

from typing import Final

from amaranth.hdl import Const, Instance, Module, Signal

from spec.errors import ConfigError

__all__ = ["ecp5_pll"]

_OSCILLATOR_MHZ: Final = (400, 800)
"""Range of the PLL's own oscillator."""


def ecp5_pll(m: Module, source: Signal, source_mhz: float, target_mhz: float) -> Signal:
    """Return a clock of ``target_mhz``, a multiple of ``source_mhz``, from an EHXPLLL.

    Raises
    ------
    ConfigError
        If the PLL has no such ratio.
    """
    low, high = _OSCILLATOR_MHZ
    feedback = round(target_mhz / source_mhz)
    divider = next((n for n in range(1, 129) if low <= target_mhz * n <= high), 0)
    if feedback < 1 or feedback * source_mhz != target_mhz or not divider:
        raise ConfigError(
            f"the clock must be a whole multiple of {source_mhz:g} MHz, with a multiple of its own "
            f"from {low} to {high} MHz, not {target_mhz:g} MHz"
        )
    clock = Signal(name="pll_clk")
    m.submodules.pll = Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{source_mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{target_mhz:g}",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKI_DIV=1,
        p_CLKFB_DIV=feedback,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=divider,
        p_CLKOP_CPHASE=divider // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=source,
        i_CLKFB=clock,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=clock,
    )
    return clock
