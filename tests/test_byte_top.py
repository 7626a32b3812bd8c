"""The accelerator on an eight-bit link, and the bridges that put it there."""

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from boards.byte_top import ByteTop, emit_byte_top
from hw.byte_bridge import ByteNarrower, ByteWidener
from hw.family import Family
from sim.subject import models, simulate_subject
from tests.wrapper_jobs import ARCHS, simulate_jobs


class Bridges(wiring.Component):
    """A narrower and a widener, and what passes between them."""

    i: stream.Interface
    o: stream.Interface
    between_valid: Signal
    between_payload: Signal

    def __init__(self) -> None:
        word = stream.Signature(64)
        super().__init__({"i": In(word), "o": Out(word), "between_valid": Out(1), "between_payload": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.narrower, m.submodules.widener = narrower, widener = ByteNarrower(64), ByteWidener(64)
        wiring.connect(m, wiring.flipped(self.i), narrower.i)
        wiring.connect(m, narrower.o, widener.i)
        wiring.connect(m, widener.o, wiring.flipped(self.o))
        m.d.comb += [self.between_valid.eq(narrower.o.valid), self.between_payload.eq(narrower.o.payload)]
        return m


def test_bridges_return_every_word() -> None:
    simulate_subject(Bridges(), "sim.cocotb_byte_bridge")


@pytest.mark.long
def test_jobs_through_bytes_and_ecp5_primitives_equal_pytorch(tmp_path: Path) -> None:
    arch = ARCHS["tiny"]
    verilog = emit_byte_top(arch, Family.ECP5) + models(Family.ECP5)

    simulate_jobs(verilog, ByteTop.MODULE, "sim.cocotb_byte_top", arch, tmp_path)
