"""Testbench of the status packets."""

import random
from typing import Any, Final

import cocotb
from cocotb.triggers import RisingEdge

from hw.shapes import ItemKind
from hw.status import Status
from sim.ports import Ports
from sim.streams import StreamSink, StreamSource, start
from sim.subject import subject_arch
from spec.counters import COUNTERS
from spec.packet import ErrorCode, Header, Opcode

ARCH: Final = subject_arch()
COUNTER_WIDTH: Final = 48
TAG: Final = 99
HEADER, DATA, TRAILER = (
    ItemKind.STATUS_HEADER.value,
    ItemKind.STATUS_DATA.value,
    ItemKind.STATUS_TRAILER.value,
)


def error_words(code: int, opcode: int) -> list[tuple[int, int]]:
    return [(HEADER, Header(Opcode.ERROR, argument=code, cluster=opcode, tag=TAG).encode()), (TRAILER, 0)]


def done_words(counters: list[int]) -> list[tuple[int, int]]:
    header = Header(Opcode.DONE, length=len(COUNTERS), tag=TAG).encode()
    return [(HEADER, header), *((DATA, count) for count in counters), (TRAILER, 0)]


class Bench:
    """Errors in, status words out."""

    def __init__(self, dut: Any, rng: random.Random, *, stall_i: float = 0.0, stall_o: float = 0.0) -> None:
        self.ports = Ports(dut, Status(ARCH, COUNTER_WIDTH))
        self.source = StreamSource(dut, "error", stall=stall_i, rng=rng)
        self.sink = StreamSink(dut, "o", stall=stall_o, rng=rng)
        self.ports.hold(tag=TAG)
        self.counters = [0 for _ in COUNTERS]
        cocotb.start_soon(self.answer(dut))

    def fail(self, code: int, opcode: int) -> None:
        self.source.send([self.ports.encode("error__payload", {"code": code, "opcode": opcode})])

    async def answer(self, dut: Any) -> None:
        """Give out the counter that was asked for in the cycle before."""
        while True:
            await RisingEdge(dut.clk)
            number = int(dut.number.value)
            self.ports.hold(counter=self.counters[number])

    async def words(self, count: int) -> list[tuple[int, int]]:
        """The next words; what a trailer holds does not matter."""
        words = []
        for _ in range(count):
            word = self.ports.decode("o__payload", await self.sink.receive())
            words.append((word["kind"], word["data"] if word["kind"] != TRAILER else 0))
        return words


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall_i=[0.0, 0.5], stall_o=[0.0, 0.5])
async def errors_are_answered_one_by_one(dut: Any, stall_i: float, stall_o: float) -> None:
    """Every code with the opcode at fault and the layer's tag, settled or not."""
    rng = random.Random(f"errors-{stall_i}-{stall_o}")
    bench = Bench(dut, rng, stall_i=stall_i, stall_o=stall_o)
    await start(dut)
    errors = [(code.value, rng.randrange(256)) for code in ErrorCode for _ in range(4)]

    for error in errors:
        bench.fail(*error)

    wanted = [word for error in errors for word in error_words(*error)]
    assert await bench.words(len(wanted)) == wanted
    await bench.ports.cycles(20)
    assert bench.sink.received == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def done_waits_until_every_psum_has_left(dut: Any, stall: float) -> None:
    """Due at once, sent when settled, with the counters of then; once per layer."""
    rng = random.Random(f"done-{stall}")
    bench = Bench(dut, rng, stall_o=stall)
    await start(dut)
    for _ in range(4):
        counters = [rng.getrandbits(COUNTER_WIDTH) for _ in COUNTERS]
        bench.counters = counters
        await bench.ports.cycle(done=1)
        await bench.ports.cycles(30)
        assert bench.sink.received == 0

        bench.ports.hold(settled=1)

        wanted = done_words(counters)
        await bench.ports.cycles(150)
        assert await bench.words(len(wanted)) == wanted
        assert bench.sink.received == 0
        bench.ports.hold(settled=0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_error_goes_before_a_done_that_has_to_wait(dut: Any) -> None:
    """Packets do not mix, and neither is lost."""
    bench = Bench(dut, random.Random("both"))
    await start(dut)
    counters = [n + 1 for n in range(len(COUNTERS))]
    bench.counters = counters
    await bench.ports.cycle(done=1)
    bench.fail(3, 4)
    await bench.ports.cycles(10)

    bench.ports.hold(settled=1)
    await bench.ports.cycles(3)
    bench.fail(5, 6)

    wanted = [*error_words(3, 4), *done_words(counters), *error_words(5, 6)]
    assert await bench.words(len(wanted)) == wanted
