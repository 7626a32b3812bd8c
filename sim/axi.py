"""An AXI host for testbenches: cocotbext-axi's endpoints, their pauses, and the rules it does not check."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource

from spec.bus import Bus
from spec.registers import CONTROL, STATUS, registers_of

__all__ = ["AxiHost"]

_OFFSETS: Final = {register.name: register.offset for register in registers_of(Bus.AXI)}


class AxiHost:
    """Source, sink and register master of ``hw.axi_wrapper.AxiWrapper``.

    Every channel of the wrapper is watched: what it offers must stay until it is taken.

    Parameters
    ----------
    dut : cocotb handle
    stall : float
        Chance that an endpoint pauses, drawn for each of the seven channels in every cycle.
    name : str
        Seed of the pauses.
    """

    def __init__(self, dut: Any, *, stall: float = 0.0, name: str = "") -> None:
        self.dut: Final = dut
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.source: Final = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
        self.sink: Final = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
        self.master: Final = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, **reset)
        write, read = self.master.write_if, self.master.read_if
        self._channels = {
            "s_axis": self.source,
            "m_axis": self.sink,
            "aw": write.aw_channel,
            "w": write.w_channel,
            "b": write.b_channel,
            "ar": read.ar_channel,
            "r": read.r_channel,
        }
        if stall:
            for channel, endpoint in self._channels.items():
                endpoint.set_pause_generator(_pauses(random.Random(f"{name}-{channel}-{stall}"), stall))

    async def start(self) -> None:
        """Start the clock and hold the reset for some cycles."""
        self.dut.aresetn.value = 0
        Clock(self.dut.aclk, 10, "ns", impl="gpi").start()
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)
        for valid, payload in (
            ("m_axis_t", ("data", "keep", "last")),
            ("s_axil_b", ("resp",)),
            ("s_axil_r", ("data", "resp")),
        ):
            cocotb.start_soon(_keeps_what_it_offers(self.dut, valid, payload))

    async def answer(self) -> bytes:
        """Return the next transfer, all of its bytes valid."""
        frame = await self.sink.recv(compact=False)
        assert all(frame.tkeep)
        return bytes(frame.tdata)

    async def read(self, offset: int) -> tuple[int, AxiResp]:
        """Return the word at a byte offset and the response."""
        result = await self.master.read(offset, 4)
        return int.from_bytes(result.data, "little"), result.resp

    async def write(self, offset: int, data: bytes) -> AxiResp:
        """Write bytes; return the response."""
        return (await self.master.write(offset, data)).resp

    async def register(self, name: str) -> int:
        """Return a register's word."""
        word, response = await self.read(_OFFSETS[name])
        assert response == AxiResp.OKAY
        return word

    async def count(self, name: str) -> int:
        """Return a counter by the reading rule."""
        return await self.register(f"{name}_low") | await self.register(f"{name}_high") << 32

    async def status(self) -> dict[str, int]:
        """Return the fields of the status register."""
        return STATUS.layout.decode(await self.register(STATUS.name))

    async def control(self, **fields: int) -> None:
        """Write the control register; a field left out is 0."""
        word = CONTROL.layout.encode(fields)
        assert await self.write(CONTROL.offset, word.to_bytes(4, "little")) == AxiResp.OKAY

    async def until(self, field: str, value: int) -> None:
        """Wait for a field of the status register."""
        while (await self.status())[field] != value:
            pass

    def stop_source(self) -> None:
        """Give up what is being sent, as a host resets its DMA."""
        self.source.clear()
        self.source.assert_reset()


def _pauses(rng: random.Random, stall: float) -> Iterator[bool]:
    return (rng.random() < stall for _ in itertools.count())


async def _keeps_what_it_offers(dut: Any, prefix: str, fields: tuple[str, ...]) -> None:
    """Once valid, a channel's payload stays until ready takes it, outside of reset."""
    valid, ready = getattr(dut, f"{prefix}valid"), getattr(dut, f"{prefix}ready")
    refused: list[int] | None = None
    while True:
        # Between two edges, when the endpoints have set what counts at the next one.
        await FallingEdge(dut.aclk)
        offered = [int(getattr(dut, prefix + field).value) for field in fields]
        if refused is not None:
            assert valid.value == 1, f"{prefix}valid fell before {prefix}ready"
            assert offered == refused, f"{prefix}: the payload changed before it was taken"
        refused = offered if valid.value == 1 and ready.value == 0 else None
        if dut.aresetn.value == 0:
            refused = None
        await RisingEdge(dut.aclk)
