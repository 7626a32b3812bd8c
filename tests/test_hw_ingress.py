"""Deframer, packet reader and loader together, without the rest of the core."""

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.deframer import Deframer
from hw.loader import Loader
from hw.packet_reader import PacketReader, error_shape
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often

JOINED = ("header", "opened", "word", "word_valid", "commit")
ANSWERED = ("problem", "waiting", "open")


class Ingress(wiring.Component):
    """From the input stream to the load bus; what buffers are free comes from outside."""

    i: stream.Interface
    error: stream.Interface
    words: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        self.deframer, self.reader, self.loader = Deframer(arch), PacketReader(arch), Loader(arch)
        members = dict(self.loader.signature.members)
        for name in (*JOINED, *ANSWERED):
            del members[name]
        super().__init__(
            {
                "i": In(stream.Signature(arch.stream_width)),
                "error": Out(stream.Signature(error_shape())),
                "words": Out(2),
                **members,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.deframer, m.submodules.reader = self.deframer, self.reader
        m.submodules.loader = self.loader
        wiring.connect(m, wiring.flipped(self.i), self.deframer.i)
        wiring.connect(m, self.deframer.o, self.reader.i)
        wiring.connect(m, self.reader.error, wiring.flipped(self.error))
        m.d.comb += self.words.eq(self.reader.words)
        m.d.comb += [getattr(self.loader, name).eq(getattr(self.reader, name)) for name in JOINED]
        m.d.comb += [getattr(self.reader, name).eq(getattr(self.loader, name)) for name in ANSWERED]
        for name, member in self.loader.signature.members.items():
            if name not in self.signature.members:
                continue
            inner, outer = getattr(self.loader, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m


# A stripe of weights of 3 bits takes three stream words.
@pytest.mark.parametrize("weight_width", often([8, 3], [3]))
def test_ingress_loads_good_packets_and_reports_every_fault(weight_width: int) -> None:
    # A tile word of three tokens takes two stream words.
    arch = ArchConfig(
        clusters=2,
        lanes=4,
        tokens=3,
        segment=8,
        weight_width=weight_width,
        activation_depth=4,
        value_depth=16,
        record_depth=4,
        block_depth=4,
    )

    simulate_subject(Ingress(arch), "sim.cocotb_ingress", arch)
