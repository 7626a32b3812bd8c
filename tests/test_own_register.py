"""Copies of a register that synthesis for ECP5 leaves apart."""

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.place_route import netlist_ecp5
from hw.emit import emit_component
from hw.family import Family
from hw.pipeline import own_register

COPIES = 3


class Copies(wiring.Component):
    """A bit and its copies, a cycle later."""

    i: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(1), "o": Out(COPIES)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for n in range(COPIES):
            m.d.comb += self.o[n].eq(own_register(m, self.i, f"copy_{n}", platform))
        return m


@pytest.mark.parametrize(("family", "left"), [(Family.ECP5, COPIES), (Family.GENERIC, 1)])
def test_only_cells_of_the_device_are_left_apart(family: Family, left: int, tmp_path: Path) -> None:
    text = netlist_ecp5(emit_component(Copies(), "copies", family), "copies", tmp_path)

    assert text.count("TRELLIS_FF #(") == left
