"""A whole board: pads, clock, UART, byte link, accelerator and LEDs."""

import importlib
import re
from typing import Any, Final

from amaranth.build import Attrs
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal
from amaranth.lib import io
from amaranth_boards.resources import UARTResource

from boards.board_core import BoardCore
from boards.catalog import BoardFacts
from boards.clocking import ecp5_pll
from boards.uart import LEAST_DIVISOR
from hw.family import Family
from spec.errors import ConfigError
from spec.link import BAUD, Identity

__all__ = ["PlatformTop", "board_files", "uart_divisor"]

_SOURCE: Final = re.compile(r"""^ *attribute \\src .*\n|\(\* src = "[^"]*" \*\)""", re.MULTILINE)
"""Where a line comes from, which differs from machine to machine."""
_WORST_BAUD_ERROR: Final = 0.02
"""Of the two that a UART bears before it samples the wrong bit, half is the host's."""


def uart_divisor(clock_mhz: float) -> int:
    """Return clock cycles per bit.

    Raises
    ------
    ConfigError
        If the clock is too slow, or too far from a multiple of the line's rate.
    """
    ratio = clock_mhz * 1e6 / BAUD
    divisor = round(ratio)
    if divisor < LEAST_DIVISOR:
        raise ConfigError(f"a UART needs at least {LEAST_DIVISOR} clock cycles per bit, not {divisor}")
    if abs(divisor / ratio - 1) > _WORST_BAUD_ERROR:
        raise ConfigError(
            f"a clock of {clock_mhz:g} MHz makes no {BAUD} baud within 2 %; choose a multiple of it"
        )
    return divisor


class PlatformTop(Elaboratable):
    """What an ``amaranth_boards`` platform builds.

    Parameters
    ----------
    facts : BoardFacts
    identity : Identity
    """

    def __init__(self, facts: BoardFacts, identity: Identity) -> None:
        self.facts: Final = facts
        self.identity: Final = identity

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        source = platform.request(platform.default_clk, dir="-")
        m.submodules.clock_pad = pad = io.Buffer(io.Direction.Input, source)
        source_mhz = platform.default_clk_frequency / 1e6
        clock = pad.i
        if source_mhz != self.facts.clock_mhz:
            if self.facts.family is not Family.ECP5:
                raise ConfigError(f"{self.facts.name} runs at its own {source_mhz:g} MHz")
            clock = ecp5_pll(m, pad.i, source_mhz, self.facts.clock_mhz)
        m.domains.sync = ClockDomain("sync")
        # Registers start at their first values, and every session resets the core.
        m.d.comb += [ClockSignal().eq(clock), ResetSignal().eq(0)]

        m.submodules.core = core = BoardCore(self.identity, uart_divisor(self.facts.clock_mhz))
        line = platform.request("uart", 0)
        m.d.comb += [core.rx.eq(line.rx.i), line.tx.o.eq(core.tx)]
        for state, led in zip((core.connected, core.working), self._leds(platform), strict=True):
            m.d.comb += led.o.eq(state)
        return m

    def _leds(self, platform: Any) -> tuple[Any, Any]:
        """Two LEDs, or two colours of one."""
        if self.facts.one_led:
            colours = platform.request("rgb_led", 0)
            return colours.g, colours.b
        return platform.request("led", 0), platform.request("led", 1)


def board_files(facts: BoardFacts, identity: Identity, accelerator: str) -> dict[str, str]:
    """Return the project of a board by file name, as its toolchain takes it.

    Parameters
    ----------
    facts : BoardFacts
    identity : Identity
    accelerator : str
        Verilog of the accelerator, which the top refers to.
    """
    module, name = facts.platform
    platform: Any = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()
    if facts.uart is not None:
        connector, rx, tx, standard = facts.uart
        attributes = Attrs(**{standard: "LVCMOS33"})
        platform.add_resources([UARTResource(0, rx=rx, tx=tx, conn=(connector, 0), attrs=attributes)])
    platform.add_file("mixvec.v", accelerator)
    plan = platform.build(PlatformTop(facts, identity), name="top", do_build=False)
    found = {}
    for file, text in sorted(plan.files.items()):
        # Scripts are for tools on PATH, which `boards.flow` runs itself.
        if not file.endswith((".debug.v", ".bat", ".sh", ".ys", ".json")):
            found[file] = _SOURCE.sub("", text if isinstance(text, str) else text.decode())
    return found
